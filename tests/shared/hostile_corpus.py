"""Hostile versions of valid files: bytes that are damaged, text that is no text, values that no reader expects."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

NESTED = 20_000
ESCAPES = "\x1b]0;title\x07\x9b31m\u202e"


def damaged(valid: bytes, seed: int = 0, flips: int = 3) -> Iterator[tuple[str, bytes]]:
    """Yield what may happen to any file: nothing left, half of it, other bytes, more behind it."""
    draw = random.Random(seed)
    yield "empty", b""
    yield "one NUL", b"\0"
    yield "NULs", bytes(len(valid))
    yield "noise", draw.randbytes(300)
    yield "half", valid[: len(valid) // 2]
    yield "last byte gone", valid[:-1]
    yield "tail of noise", valid + draw.randbytes(64)
    yield "not UTF-8", valid[:20] + b"\xff\xfe\x80" + valid[20:]
    for number in range(flips):
        flipped = bytearray(valid)
        flipped[draw.randrange(len(valid))] ^= 1 << draw.randrange(8)
        yield f"flip {number}", bytes(flipped)


def texts(valid: str) -> Iterator[tuple[str, bytes]]:
    """Yield what may happen to a text file."""
    raw = valid.encode()
    yield from damaged(raw)
    yield "UTF-16", valid.encode("utf-16")
    yield "byte-order mark twice", b"\xef\xbb\xbf\xef\xbb\xbf" + raw
    yield "old line ends", raw.replace(b"\n", b"\r")
    yield "one endless line", b"a" * 300_000
    yield "a page", b"<!doctype html><html><body>404 Not Found</body></html>"


_JSON_VALUES: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "minus one": -1,
    "1e308": 1e308,
    "empty text": "",
    "empty list": [],
    "empty object": {},
    "a list of null": [None],
    "escapes": ESCAPES,
    "NUL in text": "a\0b",
    "half a character": "\ud800",
    "a long text": "x" * 70_000,
    "the parent folder": "../outside/canary.txt",
    "not a number": float("nan"),
    "infinite": float("inf"),
    "a huge number": 10**400,
    "nested": [[[[[[[[{"a": [{}]}]]]]]]]],
}
_DOCUMENTS: Mapping[str, bytes] = {
    "null": b"null",
    "a number": b"1",
    "a text": b'"text"',
    "lists beyond reason": b"[" * NESTED + b"]" * NESTED,
    "objects beyond reason": b'{"a":' * NESTED + b"1" + b"}" * NESTED,
    "a number of 5000 digits": b'[{"id": ' + b"9" * 5000 + b"}]",
    "a list of lists": b"[[], [[]]]",
    "a list of null": b"[null]",
    "an empty object": b"{}",
    "keys twice": b'{"id": 1, "id": [], "id": null}',
    "a comma too many": b'[{"id": "1"},]',
}


def json_files(rows: list[dict[str, Any]], *, lines: bool, each: int = 2) -> Iterator[tuple[str, bytes]]:
    """Yield hostile versions of a file of rows: as text, as JSON, and with `each` odd values in every field."""

    def written(changed: list[Any]) -> bytes:
        if lines:
            return "".join(json.dumps(row) + "\n" for row in changed).encode()
        return json.dumps(changed).encode()

    yield from texts(written(rows).decode())
    yield from _DOCUMENTS.items()
    names = list(_JSON_VALUES)
    for at, field in enumerate(rows[0]):
        for step in range(each):
            name = names[(at * each + step) % len(names)]
            yield f"{field}: {name}", written([{**rows[0], field: _JSON_VALUES[name]}, *rows[1:]])
        yield f"without {field}", written([{k: v for k, v in rows[0].items() if k != field}, *rows[1:]])


def json_document(document: Any, *, most: int = 25) -> Iterator[tuple[str, bytes]]:
    """Yield hostile versions of one JSON document: as text, as JSON, and with odd values at places drawn from it."""
    yield from texts(json.dumps(document))
    yield from _DOCUMENTS.items()
    draw, names = random.Random(1), list(_JSON_VALUES)
    places = list(_places(document))
    for number, place in enumerate(draw.sample(places, min(most, len(places)))):
        name = names[number % len(names)]
        copy = json.loads(json.dumps(document))
        parent = copy
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = _JSON_VALUES[name]
        yield f"{'/'.join(map(str, place))}: {name}", json.dumps(copy).encode()


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, entry in inner:
        yield (*path, key)
        yield from _places(entry, (*path, key))


def toml_files(valid: str) -> Iterator[tuple[str, bytes]]:
    """Yield hostile versions of a settings file."""
    yield from texts(valid)
    for name, text in {
        "an unknown table": valid + "\n[nonsense]\na = 1\n",
        "a table for a value": valid + "\n[training]\nseed = {a = 1}\n",
        "escapes in a name": valid + '\n"\\u001b]0;x\\u0007" = 1\n',
        "dates": valid + "\nseed = 1979-05-27\n",
        "not a number": valid + "\nseed = nan\n",
        "nested": "a = " + "[" * 3000 + "]" * 3000,
    }.items():
        yield name, text.encode()


def npy(shape: str, kind: str = "<f4", content: bytes = b"", fortran: str = "False") -> bytes:
    """Return a .npy file whose head says anything."""
    head = f"{{'descr': {kind!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


def clouds() -> Iterator[tuple[str, bytes]]:
    """Yield hostile clouds with their names."""
    ply = "ply\nformat {}\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    points = struct.pack("<9f", *range(9))
    good = ply.format("binary_little_endian 1.0", 3).encode() + points
    text = ply.format("ascii 1.0", 3).encode() + b"0 0 0\n1 1 1\n2 2 2\n"
    pcd = (
        "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {}\nHEIGHT {}\n"
        "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {}\nDATA {}\n"
    )
    for kind, valid in {
        "binary.ply": good,
        "text.ply": text,
        "text.pcd": pcd.format(3, 1, 3, "ascii").encode() + b"0 0 0\n1 1 1\n2 2 2\n",
        "binary.pcd": pcd.format(3, 1, 3, "binary").encode() + points,
        "array.npy": npy("(3, 3)", content=points),
        "text.xyz": b"0 0 0\n1 1 1\n2 2 2\n",
        "mesh.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "mesh.off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n",
        "mesh.stl": bytes(80) + struct.pack("<I", 1) + struct.pack("<12f", *range(12)) + b"\0\0",
    }.items():
        for name, content in damaged(valid, flips=2):
            yield f"{name.replace(' ', '-')}-{kind}", content
    for number in (2**62, 10**30, -1, "nan", "", "3 3"):
        yield f"count-{str(number)[:9].replace(' ', '-')}.ply", ply.format("binary_little_endian 1.0", number).encode()
        yield f"width-{str(number)[:9].replace(' ', '-')}.pcd", pcd.format(number, 1, number, "binary").encode()
    yield "compressed.pcd", pcd.format(3, 1, 3, "binary_compressed").encode() + struct.pack("<II", 2**31, 2**31)
    yield "list.ply", good.replace(b"property float z", b"property list uchar int z")
    yield "unknown-type.ply", good.replace(b"float z", b"complex z")
    yield "no-end.ply", b"ply\n" + b"comment x\n" * 5000
    yield "nan.ply", text.replace(b"1 1 1", b"nan inf -inf")
    yield "wide.npy", npy("(4294967296, 6)")
    yield "wider.npy", npy("(9223372036854775807, 9223372036854775807)")
    yield "negative.npy", npy("(-3, 3)", content=points)
    yield "pickled.npy", npy("(3, 3)", "|O", b"cos\nsystem\n(S'true'\ntR.")
    yield "calls.npy", npy("(__import__('os'),)")
    yield "nested.npy", npy("(" * 3000 + ")" * 3000)
    yield "flat.npy", npy("(9,)", content=points)
    yield "words.npy", npy("(3, 3)", "<U4", b"a\0\0\0" * 36)
    yield "fortran.npy", npy("(3, 3)", content=points, fortran="7")
    yield "version-9.npy", b"\x93NUMPY\x09\x00" + npy("(3, 3)")[8:]
    yield "archive.npy", _zip({"a.npy": npy("(3, 3)", content=points)})


def pictures(png: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield hostile pictures."""
    yield from damaged(png, flips=6)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    def header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))

    body = chunk(b"IDAT", zlib.compress(bytes(100)))
    yield "a bomb", header(60_000, 60_000) + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    yield "no width", header(0, 10) + body
    yield "huge", header(2**31 - 1, 2**31 - 1) + body
    yield "odd depth", header(4, 4, 7, 9) + body
    yield "a text bomb", header(4, 4) + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(6 << 20))) + body
    yield "svg", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"
    yield "gif", b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x0c"
    yield "tiff", b"II*\0" + struct.pack("<I", 8) + b"\xff\xff" + b"\xff" * 60
    yield "bmp", b"BM" + b"\xff" * 52
    yield "eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
    yield "webp", b"RIFF\xff\xff\xff\xffWEBPVP8L" + b"\xff" * 40
    yield "ppm", b"P6 99999999999 99999999999 255\n"


def _zip(files: Mapping[str, bytes], **attributes: int) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.writestr(info, content)
    return written.getvalue()


def tar(mode: str, name: str = "a.txt", kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"x") -> bytes:
    """Return a tar archive of one member."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=f"w:{mode}") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
        archive.addfile(info, io.BytesIO(content))
    return written.getvalue()


def archives() -> Iterator[tuple[str, bytes]]:
    """Yield hostile archives."""
    names = [
        "../outside/evil.txt",
        "/outside/evil.txt",
        "a/../../evil.txt",
        "..\\evil.txt",
        "C:\\evil.txt",
        "",
        ".",
        "a\0b",
    ]
    names += ["x" * 300, "a/" * 600 + "b", ESCAPES, "con", "a\nb"]
    for number, name in enumerate(names):
        yield f"name-{number}.zip", _zip({name: b"x"})
        yield f"name-{number}.tar", tar("", name)
    for mode in ("gz", "xz", "bz2", ""):
        for name, content in damaged(tar(mode), flips=5):
            yield f"{name.replace(' ', '-')}.tar{'.' if mode else ''}{mode}", content
    for name, content in damaged(_zip({"a.txt": b"x" * 50, "b.txt": b"y"}), flips=12):
        yield f"{name.replace(' ', '-')}.zip", content
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"Z"):
        yield f"kind-{kind[0]}.tar.gz", tar("gz", "link", kind, "../outside/canary.txt")
    yield "link.zip", _zip({"link": b"../outside/canary.txt"}, external_attr=0o120777 << 16)
    yield "bomb.zip", _zip({"a": bytes(6 << 20)})
    yield "bomb.tar.gz", tar("gz", content=bytes(6 << 20))
    yield "bomb-behind-the-end.tar.gz", gzip.compress(tar("") + bytes(6 << 20))
    yield "secret.zip", _zip({"a": b"x"}).replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\1\0")
    yield "method.zip", _zip({"a": b"x"}).replace(b"\x08\0", b"\x63\0")


def torch_files() -> Iterator[tuple[str, bytes]]:
    """Yield hostile files in the place of one of `torch.save`."""

    def saved(pickled: bytes, **more: bytes) -> bytes:
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for name, content in {"data.pkl": pickled, "version": b"3\n", **more}.items():
                archive.writestr(f"archive/{name}", content)
        return written.getvalue()

    plain = pickle.dumps({"a": 1}, 2)
    yield from damaged(saved(plain))
    calls = {
        "os.system": b"cos\nsystem\n(S'true'\ntR.",
        "eval": b"cbuiltins\neval\n(S'1'\ntR.",
        "open": b"cio\nopen\n(S'x'\ntR.",
    }
    calls |= {"getattr": b"cbuiltins\ngetattr\n(S'x'\nS'y'\ntR.", "torch.load": b"ctorch\nload\n(S'x'\ntR."}
    calls |= {"subprocess": b"csubprocess\nPopen\n(S'true'\ntR.", "nested": b"(" * 100_000 + b"l.", "no end": b"(lp0\n"}
    calls |= {"memo": b"j\xff\xff\xff\x7f.", "a long text": b"X\xff\xff\xff\x7fabc.", "a list": b"]."}
    for name, code in calls.items():
        yield name, saved(code)
    yield "a bare pickle", plain
    yield "a bare call", calls["os.system"]
    yield "two pickles", saved(plain, **{"b/data.pkl": plain})
    yield "another byte order", saved(plain, byteorder=b"big")


def safetensors(head: bytes, content: bytes = bytes(16), length: int | None = None) -> bytes:
    """Return a file of safetensors whose head says anything."""
    return struct.pack("<Q", len(head) if length is None else length) + head + content


def weights() -> Iterator[tuple[str, bytes]]:
    """Yield hostile files of safetensors."""
    valid = b'{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'
    yield from damaged(safetensors(valid))
    for name, length in {"a head of 2^62 bytes": 2**62, "a head beyond the file": 4000, "no head": 0}.items():
        yield name, safetensors(valid, length=length)
    for name, head in {
        "offsets beyond the file": valid.replace(b"16]", b"99999]"),
        "offsets backwards": valid.replace(b"[0,16]", b"[16,0]"),
        "a shape of 2^62": valid.replace(b"[2,2]", b"[4611686018427387904,4]"),
        "an unknown dtype": valid.replace(b"F32", b"F99"),
        "nested": b"[" * NESTED + b"]" * NESTED,
        "a list": b"[]",
        "nothing": b"{}",
    }.items():
        yield name, safetensors(head)


def replies() -> Iterator[tuple[str, bytes]]:
    """Yield hostile bodies of a language model's server."""
    message = {"role": "assistant", "content": "text"}
    valid = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": {"prompt_tokens": 1}}
    yield from json_document(valid, most=60)
    for name, text in {
        "records that climb": '{"rounds": [{"question": "../../outside/canary.txt", "answer": "x"}]}',
        "escapes": json.dumps({"rounds": [{"question": ESCAPES, "answer": ESCAPES}]}),
        "half a character": '{"rounds": [{"question": "\\ud800", "answer": "x"}]}',
        "nested": '{"a":' * 3000 + "1" + "}" * 3000,
        "a number of 5000 digits": f'{{"rounds": {"9" * 5000}}}',
        "no end": "<think>" * 2000,
    }.items():
        yield f"says {name}", json.dumps({**valid, "choices": [{"message": {**message, "content": text}}]}).encode()


def xml_files(valid: str) -> Iterator[tuple[str, bytes]]:
    """Yield hostile XML."""
    yield from texts(valid)
    entities = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    yield "a billion laughs", f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a9;</x>'.encode()
    yield "a file's entity", b'<!DOCTYPE x [<!ENTITY e SYSTEM "../outside/canary.txt">]><x>&e;</x>'
    yield "nested", b"<a>" * 50_000 + b"</a>" * 50_000
    yield "another root", b"<root/>"
