"""Who is answered by the review server, and which files it gives."""

import base64
import http.client
import json

import numpy as np
import pytest

from lamm_data.errors import UsageError
from lamm_data.review.server import ReviewServer


def ask(server, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    sent = {"X-Review-Token": server.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
    sent = {name: value for name, value in sent.items() if value is not None}
    connection.request(method, path, body=body, headers=sent)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def judge(server, values, place=0, **headers):
    kind = {"Content_Type": "application/json", **headers}
    return ask(server, f"/api/items/{place}/verdict", "POST", json.dumps(values), **kind)


def test_only_the_holder_of_the_token_is_answered(review):
    server = review()
    for path in ("/api/overview", "/api/report", "/api/items/0", "/api/items/0/media/0"):
        assert ask(server, path)[0] == 200
        for token in (None, "", "x" * 32, server.token[:-1]):
            assert ask(server, path, X_Review_Token=token)[0] == 403
    assert judge(server, {"verdict": "accept"}, X_Review_Token=None)[0] == 403
    assert server.session.file.path.read_text() == ""


def test_other_hosts_and_origins_are_refused(review):
    server = review()
    for host in ("evil.example", f"evil.example:{server.server_port}", "127.0.0.1", "127.0.0.1:1"):
        assert ask(server, "/", Host=host)[0] == 421
        assert ask(server, "/api/overview", Host=host)[0] == 421
    good = f"http://127.0.0.1:{server.server_port}"
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", good.replace("http", "https")):
        assert judge(server, {"verdict": "accept"}, Origin=origin)[0] == 403
    assert judge(server, {"verdict": "accept"}, Origin=good)[0] == 200


def test_it_listens_on_the_loopback_address_only(review):
    assert review().server_address[0] == "127.0.0.1"


def test_the_page_allows_no_foreign_content(review):
    status, content, headers = ask(review(), "/", X_Review_Token=None)
    assert status == 200
    assert b"LAMM review" in content
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b"http://" not in content
    assert b"https://" not in content


@pytest.mark.parametrize(
    "path",
    ["/../etc/passwd", "/page/../server.py", "//etc/passwd", "/server.py", "/api/items/0/media/%2e%2e", "/api/items/-1",
     "/api/items/9", "/api/items/0/media/5", "/api/items/x"],
)  # fmt: skip
def test_nothing_but_the_sample_is_served(review, path):
    status, content, _ = ask(review(), path)
    assert status in (400, 404)
    assert b"root:" not in content


@pytest.mark.parametrize("name", ["../secret.png", "link.png", "{outside}/secret.png"])
def test_media_outside_the_root_are_refused(review, sample, tmp_path, name):
    media, records, _ = sample
    secret = tmp_path / "secret.png"
    secret.write_bytes((media / "a.png").read_bytes())
    (media / "link.png").symlink_to(secret)
    records[0].image = name.format(outside=tmp_path)
    status, content, _ = ask(review(), "/api/items/0/media/0")
    assert status == 404
    assert b"below the media root" in content


def test_a_file_that_is_no_picture_is_an_error_not_a_file(review, sample):
    media, _, _ = sample
    (media / "a.png").write_text("<svg onload='alert(1)'/>")
    status, content, headers = ask(review(), "/api/items/0/media/0")
    assert status == 404
    assert b"svg" not in content
    assert headers["Content-Type"] == "application/json"


def test_a_cloud_is_packed_as_the_page_reads_it(review, sample):
    status, content, _ = ask(review(), "/api/items/2/media/0")
    assert status == 200
    packed, cloud = json.loads(content), np.load(sample[0] / "room.npy")
    assert (packed["n"], packed["total"]) == (5000, 5000)
    low, high = np.array(packed["low"]), np.array(packed["high"])
    shares = np.frombuffer(base64.b64decode(packed["xyz"]), "<u2").reshape(-1, 3)[:500] / 65535
    apart = np.linalg.norm(cloud[None, :, :3] - (low + shares * (high - low))[:, None], axis=2)
    assert apart.min(axis=1).max() < 1e-4
    colours = np.frombuffer(base64.b64decode(packed["rgb"]), np.uint8).reshape(-1, 3)[:500]
    assert np.array_equal(colours, cloud[apart.argmin(axis=1), 3:])


@pytest.mark.parametrize(
    ("body", "status"),
    [("{", 400), ("[]", 400), ('{"verdict": "maybe"}', 400), ('{"verdict": 1}', 400), ("{}", 400),
     (json.dumps({"verdict": "reject", "note": "x" * 3000}), 400), (" " * 20000, 413)],
)  # fmt: skip
def test_bad_verdicts_are_refused_and_not_stored(review, body, status):
    server = review()
    assert ask(server, "/api/items/0/verdict", "POST", body, Content_Type="application/json")[0] == status
    assert ask(server, "/api/items/0/verdict", "POST", "verdict=accept", Content_Type="text/plain")[0] == 415
    assert server.session.file.path.read_text() == ""


def test_a_full_disk_is_told(review, monkeypatch):
    server = review()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lamm_data.review.verdicts.os.fsync", full)
    status, content, _ = judge(server, {"verdict": "accept"})
    assert status == 507
    assert b"No space left" in content
    monkeypatch.undo()
    assert json.loads(ask(server, "/api/items/0")[1])["verdict"] is None
    assert server.session.file.path.read_bytes() == b""
    assert judge(server, {"verdict": "accept"})[0] == 200
    assert server.session.file.path.read_bytes().count(b"\n") == 1


def test_a_taken_port_is_named(review):
    server = review()
    with pytest.raises(UsageError, match="--port"):
        ReviewServer(server.session, server.server_port)
