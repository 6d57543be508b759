"""The `lamm model serve` command."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lamm_model.errors import UsageError


@click.command()
@click.option("--model", "folder", required=True, type=click.Path(path_type=Path), help="Checkpoint or model folder.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--allow-host", "names", multiple=True, help="Name, besides localhost, that requests may address.")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Requests answered together.")
@click.option(
    "--max-tokens",
    "max_new_tokens",
    default=256,
    show_default=True,
    type=click.IntRange(1),
    help="Where a request states none.",
)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True,
              help="Numbers of the language model's weights.")  # fmt: skip
@click.option("--quantize", type=click.Choice(["none", "8bit", "4bit"]), default="none", show_default=True,
              help="Hold its weights in so many bits.")  # fmt: skip
@click.option("--device", default="", help="cpu, cuda, ... (default: cuda where there is one).")
@click.option(
    "--api-key-env", default="LAMM_API_KEY", show_default=True, help="Variable of the key that requests must carry."
)
def serve(
    folder: Path,
    host: str,
    port: int,
    names: tuple[str, ...],
    batch_size: int,
    max_new_tokens: int,
    dtype: str,
    quantize: str,
    device: str,
    api_key_env: str,
) -> None:
    """Serve a model as an OpenAI-compatible endpoint that takes images and point clouds, with a page to try it at /.

    Images come as `image_url` parts, point clouds (.npy, .ply, .pcd) as `file` parts, both as base64 data URLs. Greedy
    unless a request sets a temperature. Ends at an interrupt.
    """
    import signal

    try:
        from lamm_model.serving.server import ChatServer, remove_leftovers
    except ModuleNotFoundError as fault:
        missing = str(fault.name).partition(".")[0]
        if missing not in ("starlette", "uvicorn"):
            raise
        raise UsageError(
            f"Expected starlette and uvicorn, got no {missing}. Install them: pip install 'lamm-model[serve]'."
        ) from fault
    from lamm_model.checkpoints.checkpoint import load_for_inference
    from lamm_model.serving.engine import ChatEngine

    api_key = os.environ.get(api_key_env, "")
    if not api_key and api_key_env != "LAMM_API_KEY":
        raise UsageError(f"Expected a key in the variable {api_key_env}, got none. Set it, or leave out --api-key-env.")
    remove_leftovers()
    click.echo(f"Loading {folder} ...", err=True)
    engine = ChatEngine(*load_for_inference(folder, dtype, device, quantize), batch_size)
    name = folder.resolve().name
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server = ChatServer((host, port), engine, name, max_new_tokens, api_key, (host, *names))
        click.echo(f"{server.url} serves {name}")
        click.echo(f"Try it at {server.url.removesuffix('v1')}", err=True)
        if not api_key and not host.startswith(("127.", "localhost", "::1")):
            click.echo("Warning: anyone who can reach this address can use it; set LAMM_API_KEY.", err=True)
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    finally:
        engine.close()
