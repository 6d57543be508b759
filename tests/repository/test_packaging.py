"""Versions, ranges, licences, changelogs and entry points of the five packages agree with each other."""

import importlib
import re

import pytest
from packaging.requirements import Requirement

OURS = re.compile(r"lamm-(llm|metrics|data|model|cli)\b")


def _requirements(project: dict) -> list[Requirement]:
    extras = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
    return [Requirement(line) for line in [*project["dependencies"], *extras]]


def test_ranges_admit_the_sibling_in_this_repository(projects):
    for name, project in projects.items():
        for requirement in _requirements(project):
            if requirement.name in projects:
                version = projects[requirement.name]["version"]
                assert requirement.specifier.contains(version), f"{name} wants {requirement}, the sibling is {version}"
                assert any(part.operator == "<" for part in requirement.specifier), f"{name}: {requirement} has no end"


def test_no_third_party_is_pinned_exactly(projects):
    pinned = [
        f"{name}: {requirement}"
        for name, project in projects.items()
        for requirement in _requirements(project)
        if any(part.operator == "==" for part in requirement.specifier)
    ]
    assert not pinned


def test_direct_dependencies_point_the_right_way(projects):
    allowed = {
        "lamm-llm": set(),
        "lamm-metrics": set(),
        "lamm-data": {"lamm-llm", "lamm-metrics"},
        "lamm-model": {"lamm-data", "lamm-llm"},
        "lamm-cli": set(),
    }
    for name, project in projects.items():
        ours = {Requirement(line).name for line in project["dependencies"] if OURS.match(line)}
        assert ours == allowed[name]


def test_every_package_ships_the_same_licence(projects, root):
    text = (root / "LICENSE").read_text()
    for name, project in projects.items():
        assert project["license"] == "Apache-2.0"
        assert (root / "packages" / name / "LICENSE").read_text() == text


def test_the_changelog_has_an_entry_for_the_version(projects, root):
    for name, project in projects.items():
        entries = re.findall(r"^## \[(.+?)\]", (root / "packages" / name / "CHANGELOG.md").read_text(), re.MULTILINE)
        assert entries[0] == "Unreleased", name
        assert entries[1] == project["version"], name


def test_every_package_is_typed_and_has_a_readme(projects, root):
    for name in projects:
        package = root / "packages" / name
        assert (package / "src" / name.replace("-", "_") / "py.typed").exists()
        assert len((package / "README.md").read_text().splitlines()) > 10, f"{name}: the README says too little"


@pytest.mark.parametrize("name", ["lamm-llm", "lamm-metrics", "lamm-data", "lamm-model", "lamm-cli"])
def test_entry_points_resolve(projects, name):
    for target in projects[name].get("entry-points", {}).get("lamm.commands", {}).values():
        module, _, attribute = target.partition(":")
        assert hasattr(importlib.import_module(module), attribute)
