"""`lamm data dedup`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lamm_llm import writes_alone

ROLES = {"dialogue": ("human", "gpt"), "questions": ("human",), "answers": ("gpt",)}
_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("records", type=_PATH)
@click.option("--output", type=_PATH, required=True, help="Write the records that are kept here.")
@click.option("--rejected", type=_PATH, help="Write the duplicates here, with what they repeat [beside --output].")
@click.option("--similarity", type=float, default=0.7, show_default=True, help="ROUGE-L from which two texts are one.")
@click.option("--text", type=click.Choice(list(ROLES)), default="dialogue", show_default=True, help="What is compared.")
@click.option("--method", type=click.Choice(["exact", "minhash"]), default="exact", show_default=True,
              help="exact compares all pairs; minhash those that share hashes, for millions.")  # fmt: skip
@click.option("--workers", type=int, default=2, show_default=True, help="Threads of the exact method.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@writes_alone("output", "rejected")
def dedup(
    records: Path,
    output: Path,
    rejected: Path | None,
    similarity: float,
    text: str,
    method: str,
    workers: int,
    as_json: bool,
) -> None:
    """Find near-duplicate records by ROUGE-L and keep the first of each group."""
    from lamm_data.errors import UsageError
    from lamm_data.near_duplicates.exact import find_near
    from lamm_data.progress import progress_bar
    from lamm_data.records.instruction import read_records, write_records
    from lamm_llm import refuse_folder, sibling

    refuse_folder(output, UsageError)
    everything = read_records(records)
    texts = ["\n".join(turn.text for turn in record.dialogue() if turn.role in ROLES[text]) for record in everything]
    with progress_bar("compare", len(texts)) as advance:
        if method == "exact":
            alike = find_near(texts, similarity, workers, advance)
        else:
            from lamm_data.near_duplicates.minhash import find_near_minhash

            alike = find_near_minhash(texts, similarity, advance=advance)
    duplicates = {item.index: item for item in alike}
    for index, item in duplicates.items():
        everything[index].extra["duplicate_of"] = {"record": item.of + 1, "rouge_l": item.similarity}
    rejected = rejected or sibling(output, "rejected.jsonl")
    write_records(rejected, (everything[index] for index in sorted(duplicates)))
    count = write_records(output, (record for index, record in enumerate(everything) if index not in duplicates))
    if as_json:
        counts = {"records": len(everything), "kept": count, "duplicates": len(duplicates)}
        click.echo(json.dumps({**counts, "output": str(output), "rejected": str(rejected)}))
        return
    click.echo(
        f"{len(everything)} records: {count} kept in {output}, {len(duplicates)} near duplicates "
        f"(ROUGE-L >= {similarity:g}) in {rejected}."
    )
