"""Bodies of chat-completion requests, and requests over a bare connection."""

import base64
import http.client
import json


def data_url(path, kind="application/octet-stream"):
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def question(text, *parts):
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def picture(path):
    return {"type": "image_url", "image_url": {"url": data_url(path, "image/png")}}


def cloud(path):
    return {"type": "file", "file": {"filename": path.name, "file_data": data_url(path)}}


def raw(server, method="POST", path="/v1/chat/completions", body=b"{}", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    names = {"content_type": "Content-Type", "content_length": "Content-Length", "authorization": "Authorization"}
    connection.request(method, path, body, {names[key]: value for key, value in headers.items()})
    reply = connection.getresponse()
    content = json.loads(reply.read())
    connection.close()
    return reply.status, content
