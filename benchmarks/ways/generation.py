"""The way of one self-instruct row: `lamm data generate` over one row, answered at once by a server on this machine.

python benchmarks/ways/generation.py [--files]
"""

import json
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

from click.testing import CliRunner
from tracing import report

from lamm_data.cli import data

ROW = {"id": "1", "image": "1.jpg", "captions": ["A red cup on a table."], "objects": []}
ROUNDS = json.dumps({"rounds": [{"question": "What is on the table?", "answer": "A red cup is on the table."}]})
MESSAGE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ROUNDS}}
REPLY = json.dumps({"model": "m", "choices": [MESSAGE], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}).encode()


class Desk(BaseHTTPRequestHandler):
    """Gives the same answer to every request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(REPLY)))
        self.end_headers()
        self.wfile.write(REPLY)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        rows.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
        runs = count()
        command = ["generate", "--type", "daily_dialogue", "--annotations", str(rows), "--model", "m"]
        command += ["--endpoint", f"http://127.0.0.1:{server.server_port}/v1", "--output"]

        def generate() -> None:
            output = Path(folder) / f"records{next(runs)}.jsonl"
            CliRunner().invoke(data, [*command, str(output)], catch_exceptions=False)
            assert len(output.read_text(encoding="utf-8").splitlines()) == 1

        report({"one self-instruct row": generate}, "lamm_data", "lamm_llm")
    server.shutdown()


if __name__ == "__main__":
    main()
