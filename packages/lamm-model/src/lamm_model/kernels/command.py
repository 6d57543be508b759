"""`lamm model kernels`: which kernel implementation runs here, and why not the others."""

import json

import click


@click.command()
@click.option(
    "--device", default=None, help="A torch device, for example cpu or cuda:0. Default: cuda if there is one."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list for machines.")
def kernels(device: str | None, as_json: bool) -> None:
    """Show the point-cloud kernels, the implementation chosen for each, and what keeps the others from running.

    LAMM_KERNELS=cuda|triton|numba|reference forces one.
    """
    import torch

    from lamm_model.errors import UsageError
    from lamm_model.kernels.selection import describe

    try:
        target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"Expected a torch device of this machine such as cpu or cuda:0, got {device!r}. Name one."
        ) from error
    rows = describe(target)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    widths = [max(len(str(row[key])) for row in rows) + 2 for key in ("operation", "implementation")]
    for row in rows:
        state = "chosen" if row["chosen"] else row["obstacle"] or "available"
        click.echo(f"{row['operation']!s:<{widths[0]}}{row['implementation']!s:<{widths[1]}}{state}")
