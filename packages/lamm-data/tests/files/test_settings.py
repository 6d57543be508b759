"""Settings: every fault at once, with the nearest name, whatever dataclass they are for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from lamm_data import UsageError, build_tables, check_values, load_toml, parse_assignment, parse_part


@dataclass
class Recipe:
    """One table."""

    rate: float = 0.1
    steps: int | None = None
    folder: Path | None = None
    style: Literal["brief", "full"] = "full"
    names: tuple[str, ...] = ()

    def faults(self) -> list[str]:
        return ["recipe.rate: too fast"] if self.rate > 1 else []


@dataclass
class Settings:
    """Two tables."""

    recipe: Recipe = field(default_factory=Recipe)
    other: Recipe = field(default_factory=Recipe)


def test_values_take_the_types_of_the_fields():
    values = {"rate": 1, "steps": 3, "folder": "a/b", "style": "brief", "names": ["x", "y"]}
    converted, faults, doubtful = check_values(values, Recipe)
    assert (faults, doubtful) == ([], set())
    assert Recipe(**converted) == Recipe(1.0, 3, Path("a/b"), "brief", ("x", "y"))
    assert check_values({"names": "x"}, Recipe)[0] == {"names": ("x",)}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("rat", 1, "unknown key 'rat'; did you mean rate?"), ("zzz", 1, "unknown key 'zzz'; known: folder, names"),
     ("steps", True, "'steps': expected int, found True"), ("steps", 1.5, "'steps': expected int"),
     ("style", "ful", "'style': expected one of brief, full, found 'ful'; did you mean full?"),
     ("style", ["full"], "'style': expected one of brief, full"),
     ("names", [1], "'names': expected a list of str"), ("folder", 3, "'folder': expected Path, found 3"),
     ("rate", -1, "'rate': expected a number of at least 0"), ("rate", float("nan"), "at least 0")],
)  # fmt: skip
def test_each_fault_says_what_was_expected(key, value, message):
    (fault,) = check_values({key: value}, Recipe, least=0)[1]
    assert fault.startswith(message) or message in fault


def test_tables_name_all_faults_and_judge_no_misspelt_key_twice():
    tables = {"recipe": {"rte": 1, "rate": 2.0}, "othr": {}, "other": {"steps": "x"}}
    built, faults = build_tables(tables, Settings)
    assert built["recipe"] == Recipe(2.0)
    assert faults == [
        "unknown key recipe.rte; did you mean rate?",
        "unknown table [othr]; did you mean other?",
        "other.steps: expected int, found 'x'",
    ]
    assert build_tables({"recipe": {"rate": 2}}, Settings)[1] == ["recipe.rate: too fast"]
    assert build_tables({"recipe": 3}, Settings)[1] == ["[recipe] must be a table, found 3"]


def test_assignments_are_toml_or_plain_text():
    assert parse_assignment("a.b = [1, 2]") == ("a.b", [1, 2])
    assert parse_assignment("model=owner/name") == ("model", "owner/name")
    with pytest.raises(UsageError, match="Expected --set key=value, got 'rounds'"):
        parse_assignment("rounds")
    with pytest.raises(KeyError, match=r"Expected --set section\.key=value"):
        parse_assignment("rounds=1", "section.key=value", KeyError)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(UsageError, match="found none at"):
        load_toml(tmp_path / "none.toml")
    with pytest.raises(UsageError, match=r"Expected a configuration file at .*: Is a directory"):
        load_toml(tmp_path)
    (tmp_path / "cut.toml").write_text("[model\n")
    with pytest.raises(UsageError, match="expected TOML"):
        load_toml(tmp_path / "cut.toml")
    (tmp_path / "good.toml").write_text("rounds = 3\n")
    assert load_toml(tmp_path / "good.toml") == {"rounds": 3}


def test_parts_are_numbered_from_one():
    assert [parse_part(text) for text in ("", "1/1", "2/8", "8/8")] == [(0, 1), (0, 1), (1, 8), (7, 8)]
    for text in ("0/2", "3/2", "2", "a/b", "1/2/3", "-1/2"):
        with pytest.raises(UsageError, match=f"a shard such as 2/8, got '{text}'"):
            parse_part(text, "shard")
