"""A tiny model that sees pictures and clouds, and a server of it."""

import threading

import pytest


@pytest.fixture(scope="package")
def model_and_processor(parts, cloud_config, with_adapters):
    from lamm_model import build_pair

    model, processor = build_pair(parts.language, parts.clip, cloud_config, seed=1)
    with_adapters(model)
    return model.eval(), processor


@pytest.fixture(scope="package")
def server(model_and_processor):
    from lamm_model.serving.engine import ChatEngine
    from lamm_model.serving.server import ChatServer

    engine = ChatEngine(*model_and_processor, batch_size=4)
    httpd = ChatServer(("127.0.0.1", 0), engine, "tiny", max_new_tokens=6)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    engine.close()
