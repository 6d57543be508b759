"""The `lamm model serve` command."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--model", "folder", required=True, type=click.Path(path_type=Path), help="Checkpoint or model folder.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Requests answered together.")
@click.option(
    "--max-new-tokens", default=256, show_default=True, type=click.IntRange(1), help="Where a request states none."
)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True)
@click.option("--quantize", type=click.Choice(["none", "8bit", "4bit"]), default="none", show_default=True)
@click.option("--device", default="", help="cpu, cuda, ... (default: cuda where there is one).")
@click.option("--api-key", envvar="LAMM_API_KEY", default="", help="Requests must carry it [env: LAMM_API_KEY].")
def serve(
    folder: Path,
    host: str,
    port: int,
    batch_size: int,
    max_new_tokens: int,
    dtype: str,
    quantize: str,
    device: str,
    api_key: str,
) -> None:
    """Serve a model as an OpenAI-compatible endpoint that takes images and point clouds.

    Images come as `image_url` parts, point clouds (.npy, .ply, .pcd) as `file` parts, both as base64 data URLs. Greedy
    unless a request sets a temperature. Ends at an interrupt.
    """
    import signal

    from lamm_model.checkpoints.checkpoint import load_for_inference
    from lamm_model.serving.engine import ChatEngine
    from lamm_model.serving.server import ChatServer

    model, processor = load_for_inference(folder, dtype, device, quantize)
    engine = ChatEngine(model, processor, batch_size)
    name = folder.resolve().name
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ChatServer((host, port), engine, name, max_new_tokens, api_key) as server:
            click.echo(f"{server.url} serves {name}")
            if not api_key and not host.startswith(("127.", "localhost", "::1")):
                click.echo("Warning: anyone who can reach this address can use it; set --api-key.", err=True)
            server.serve_forever()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    finally:
        engine.close()
