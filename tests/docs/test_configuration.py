"""The page of configuration keys has every key that a command takes, each with a meaning; pages name no other key."""

import dataclasses
import importlib.util
import re
import tomllib
import typing

import pytest
from documentation_blocks import DOCS, ROOT, blocks
from prose import faults

from lamm_cli.settings import packaged_settings
from lamm_data.generation.settings import _ENDPOINT_KEYS, GenerationSettings
from lamm_model.training.settings.settings import FinetuneSettings

spec = importlib.util.spec_from_file_location("configuration", DOCS / "configuration.py")
configuration = importlib.util.module_from_spec(spec)
spec.loader.exec_module(configuration)
SHOWN = {
    command: {name: {key.name for key in keys} for name, (_, keys) in tables.items()}
    for command, tables in configuration.commands().items()
}
TABLED = [SHOWN[command] for command in ("lamm model finetune", "lamm benchmark run", "lamm demo")]
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]


def names(kind):
    return {field.name for field in dataclasses.fields(kind)}


def test_every_key_of_finetune():
    tables = typing.get_type_hints(FinetuneSettings)
    assert SHOWN["lamm model finetune"] == {name: names(kind) for name, kind in tables.items()}


def test_every_key_of_generate():
    shown = SHOWN["lamm data generate"]
    assert shown["generation"] == names(GenerationSettings) | {"endpoint"}
    assert shown["endpoint"] == _ENDPOINT_KEYS


@pytest.mark.parametrize("name", ["benchmark", "demo"])
def test_every_key_of_composed_commands(name):
    command = {"benchmark": "lamm benchmark run", "demo": "lamm demo"}[name]
    packaged = {table: set(keys) or {"any name"} for table, keys in packaged_settings(name).items()}
    assert SHOWN[command] == packaged


def test_every_key_has_a_type_and_a_meaning():
    for command, tables in configuration.commands().items():
        for table, (_, keys) in tables.items():
            lacking = [key.name for key in keys if not key.kind or len(key.meaning) < 8]
            assert not lacking, f"{command} [{table}]: document {', '.join(lacking)} where the settings are"


def test_the_page_can_be_read():
    assert not faults(configuration.configuration_page())


def unknown_keys(text):
    """Return `table.key` in code and in `--set` that no command has."""
    tables = {table for known in TABLED for table in known}
    named = re.findall(r"`([a-z_]+\.[a-z_0-9]+)(?: = [^`]*)?`|--set '?([a-z_]+\.[a-z_0-9]+)=", text)
    wrong = []
    for key in (first or second for first, second in named):
        table, _, name = key.partition(".")
        if table in tables and not key.endswith((".py", ".md", ".toml", ".yaml", ".json", ".jsonl")):
            known = [tabled[table] for tabled in TABLED if table in tabled]
            wrong += [] if any(name in keys or keys == {"any name"} for keys in known) else [key]
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_keys_in_pages_exist(page):
    assert not unknown_keys(page.read_text(encoding="utf-8"))


def test_a_wrong_key_is_noticed():
    assert unknown_keys("Set `training.sead = 1`, or `--set training.seeds=1`.") == ["training.sead", "training.seeds"]
    assert not unknown_keys("`training.seed = 1`, `--set scoring.draws=10`, `data.records`, `model.py`")


def test_shown_finetune_files_are_configurations():
    for page in sorted(DOCS.rglob("*.md")):
        for block in blocks(str(page.relative_to(DOCS))):
            if block.language == "toml" and re.search(r"^\[(training|adapters)\]", block.body, re.MULTILINE):
                for table, values in tomllib.loads(block.body).items():
                    assert set(values) <= SHOWN["lamm model finetune"][table], block.name
