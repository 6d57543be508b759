"""A host of data and models that speaks the Hub's API over a socket: repositories, preupload, LFS and commits."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_" + "s3cret" * 5


@dataclass
class Repository:
    """A repository: who may read it, and its files."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[list[str]] = field(default_factory=list)


@dataclass
class Hub:
    """What the host holds, what it was sent, and which requests it is to fail.

    Attributes:
        failing: Part of an address, with the status and text that it is answered with from now on.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    failing: dict[str, tuple[int, str]] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, value: Any, status: int = 200) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _handle(self) -> None:
        hub, body = self.hub, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        hub.requests.append(f"{self.command} {path}")
        for part, (status, text) in hub.failing.items():
            if part in f"{self.command} {path}":
                return self._answer({"error": text}, status)
        if path.startswith("/lfs/"):  # the store's own addresses carry no token
            return self._store(path.removeprefix("/lfs/"), body)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer({"error": "Invalid credentials"}, 401)
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._answer({"warnings": [], "errors": []})
        return self._repository(path, body)

    do_GET = do_POST = do_PUT = _handle

    def _store(self, oid: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self._answer({"error": "other bytes"}, 400)
        self.hub.objects[oid] = body
        self.hub.uploads.append(oid)
        return self._answer({})

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        kind = "datasets/" if wanted.get("type") == "dataset" else ""
        private = wanted.get("visibility") == "private" or wanted.get("private") is True
        known = name in self.hub.repositories
        self.hub.repositories.setdefault(name, Repository(private))
        self._answer({"url": f"{self.hub.url}/{kind}{name}"}, 409 if known else 200)

    def _repository(self, path: str, body: bytes) -> None:
        parts = path.removeprefix("/api").strip("/").split("/")
        name = "/".join(parts[1:3] if parts[0] in ("datasets", "models") else parts[:2]).removesuffix(".git")
        repository = self.hub.repositories[name]
        if path.endswith("/preupload/main"):
            modes = [{"path": entry["path"], "shouldIgnore": False, "uploadMode": _mode(entry["path"])}
                     for entry in json.loads(body)["files"]]  # fmt: skip
            return self._answer({"files": modes})
        if path.endswith("/info/lfs/objects/batch"):
            return self._answer({"transfer": "basic", "objects": [*map(self._action, json.loads(body)["objects"])]})
        if path.endswith("/commit/main"):
            return self._commit(name, repository, [json.loads(line) for line in body.splitlines()])
        info = {"id": name, "private": repository.private, "sha": "0" * 40}
        return self._answer(info | {"siblings": [{"rfilename": file} for file in repository.files]})

    def _action(self, wanted: dict[str, Any]) -> dict[str, Any]:
        entry = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] in self.hub.objects:
            return entry
        return entry | {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}}

    def _commit(self, name: str, repository: Repository, lines: list[dict[str, Any]]) -> None:
        changed = []
        for line in lines:
            value = line["value"]
            changed.append(f"{line['key']} {value.get('path', '')}".strip())
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del repository.files[value["path"]]
        repository.commits.append(changed)
        number = len(repository.commits)
        url = f"{self.hub.url}/datasets/{name}/commit/{number:040d}"
        self._answer({"commitUrl": url, "commitOid": f"{number:040d}", "success": True})


def _mode(path: str) -> str:
    return "lfs" if path.endswith((".parquet", ".tar", ".safetensors")) else "regular"


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve an empty host on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
