"""Files and batches of an OpenAI-compatible server, as far as a client can see them."""

from __future__ import annotations

import email
import email.policy
import json
import os
import signal
from urllib.parse import parse_qs, urlsplit

import pytest


class BatchDesk:
    """Keeps files and batches; a batch ends when `finish` is called.

    Args:
        answer: The test's class of answers.
        script: Answers one request of a batch: `(body) -> (status, body)`, or None for a request that is not done.
    """

    def __init__(self, answer, script):
        self.answer = answer
        self.script = script
        self.files = {}
        self.batches = {}
        self.calls = []
        self.kill_after = None  # (number of the call, process id): SIGKILL once that call has been carried out
        self.drop_after = None  # text of a call whose answer gets lost, once

    def __call__(self, method, path, headers, body):
        parts = urlsplit(path)
        names = parts.path.removeprefix("/v1/").split("/")
        if names[0] not in ("files", "batches"):
            return None
        self.calls.append(f"{method} {parts.path}")
        answer = self._route(method, names, parse_qs(parts.query), headers, body)
        if self.kill_after and len(self.calls) == self.kill_after[0]:
            os.kill(self.kill_after[1](), signal.SIGKILL)
            return self.answer(drop=True)
        if self.drop_after == self.calls[-1]:
            self.drop_after = None
            return self.answer(drop=True)
        return answer

    def _route(self, method, names, query, headers, body):
        match (method, *names):
            case ("POST", "files"):
                name = f"file-{len(self.files)}"
                self.files[name] = _uploaded(headers, body)
                return self.answer(body=self._file(name))
            case ("GET", "files", name, "content"):
                return self.answer(body=self.files[name], headers={"content-type": "application/octet-stream"})
            case ("POST", "batches"):
                name = f"batch-{len(self.batches)}"
                self.batches[name] = {"id": name, "status": "in_progress", **json.loads(body)}
                return self.answer(body=self._batch(name))
            case ("GET", "batches"):
                return self._page(query)
            case ("GET", "batches", name):
                return self.answer(body=self._batch(name))
            case ("POST", "batches", name, "cancel"):
                self.batches[name]["status"] = "cancelling"
                return self.answer(body=self._batch(name))
        return self.answer(404, {"error": {"message": "no such page"}})

    def _page(self, query):
        names = list(reversed(self.batches))
        if "after" in query:
            names = names[names.index(query["after"][0]) + 1 :]
        page = [self._batch(name) for name in names[:2]]
        more = len(names) > 2
        last = page[-1]["id"] if page else None
        return self.answer(body={"object": "list", "data": page, "has_more": more, "last_id": last})

    def finish(self, status="completed"):
        """Answer every open batch."""
        for batch in self.batches.values():
            if batch["status"] not in ("in_progress", "cancelling"):
                continue
            done, failed = [], []
            for line in self.lines(batch):
                found = self.script(line["body"])
                if found is None:
                    continue
                response = {"status_code": found[0], "request_id": "r", "body": found[1]}
                row = {"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}
                (done if found[0] == 200 else failed).append(json.dumps(row, ensure_ascii=False))
            batch["status"] = "cancelled" if batch["status"] == "cancelling" else status
            for key, rows in (("output_file_id", done), ("error_file_id", failed)):
                if rows:
                    batch[key] = f"{batch['id']}-{key}"
                    self.files[batch[key]] = ("\n".join(reversed(rows)) + "\n").encode()  # in any order

    def lines(self, batch):
        """The requests of a batch."""
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def keys(self):
        """The key of every request of every batch."""
        return [line["custom_id"] for batch in self.batches.values() for line in self.lines(batch)]

    def _file(self, name):
        size = len(self.files[name])
        return {"id": name, "object": "file", "bytes": size, "created_at": 1, "filename": name, "purpose": "batch",
                "status": "processed"}  # fmt: skip

    def _batch(self, name):
        fixed = {"object": "batch", "created_at": 1, "request_counts": {"total": 0, "completed": 0, "failed": 0}}
        return fixed | self.batches[name]


def _uploaded(headers, body):
    """Take the file out of a multipart form."""
    head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
    assert parts["purpose"].get_payload(decode=True).strip() == b"batch"
    return parts["file"].get_payload(decode=True)


@pytest.fixture
def desk(loopback, reply, answer):
    """`desk(script)` starts a server with a Batch API; the script answers the requests of batches."""

    def make(script=None):
        found = BatchDesk(answer, script or (lambda body: (200, reply().body)))
        found.server = loopback(lambda seen: reply(), desk=found)
        return found

    return make
