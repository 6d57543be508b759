"""A hook of mkdocs: the page of configuration keys is made from the settings' own types and docstrings.

`lamm model finetune` and `lamm data generate` keep their keys in dataclasses, of which each attribute is documented.
`lamm benchmark run` and `lamm demo` keep theirs in a TOML file with a comment behind each key.
"""

import ast
import inspect
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PACKAGES = Path(__file__).resolve().parents[1] / "packages"
FINETUNE = PACKAGES / "lamm-model/src/lamm_model/training/settings"
GENERATION = PACKAGES / "lamm-data/src/lamm_data/generation/settings.py"
ENDPOINT = PACKAGES / "lamm-llm/src/lamm_llm/endpoint.py"
TOML = PACKAGES / "lamm-cli/src/lamm_cli/data"
TYPES = {
    "str": "text",
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "Path": "path",
    "list": "list of texts",
    "tuple[str, ...]": "list of texts",
    "tuple[float, ...]": "list of numbers",
    "tuple[EndpointSettings, ...]": "list of tables",
    "dict": "table",
}
HEAD = "| key | type | default | meaning |\n|---|---|---|---|\n"
OPENING = """# Configuration

Every key of the four commands that read a TOML file. Write down only what differs from the default. `--set` overrides
one key on the command line:

    lamm model finetune mine.toml --output run --set training.seed=1
    lamm data generate mine.toml --set temperature=0.7
    lamm benchmark run --root DATA --model mine=run/model --set scoring.draws=2000
    lamm demo --set world.images=400

Unknown keys, wrong types and contradictions are all listed at once, each with the nearest known key, before any work
begins. Numbers are 0 or more. A relative path starts at the folder you are in. In a file of `lamm data generate` it
starts at that file.
"""


@dataclass(frozen=True)
class Key:
    """One key of a configuration, as the page shows it."""

    name: str
    kind: str
    default: str
    meaning: str

    def row(self) -> str:
        """Return the key's line of a table."""
        cells = (f"`{self.name}`", self.kind, f"`{self.default}`" if self.default else "", self.meaning)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated page."""
    files.append(File.generated(config, "reference/configuration.md", content=configuration_page()))
    return files


def configuration_page() -> str:
    """Return the page."""
    parts = [OPENING]
    for command, tables in commands().items():
        parts.append(f"## {command}\n")
        for name, (title, keys) in tables.items():
            heading = f"### {title}\n\n" if title else ""
            parts.append(heading + HEAD + "\n".join(key.row() for key in keys) + "\n" if keys else f"{heading}{name}\n")
    return "\n".join(parts)


def commands() -> dict[str, dict[str, tuple[str, list[Key]]]]:
    """Return by command and table the table's title and its keys."""
    finetune = finetune_tables()
    return {
        "lamm model finetune": {name: (f"\\[{name}\\]", keys) for name, keys in finetune.items()},
        "lamm data generate": generation_tables(),
        "lamm benchmark run": {name: (f"\\[{name}\\]", keys) for name, keys in toml_tables("benchmark", {}).items()},
        "lamm demo": {name: (f"\\[{name}\\]", keys) for name, keys in toml_tables("demo", finetune).items()},
    }


def finetune_tables() -> dict[str, list[Key]]:
    """Return the keys of a fine-tuning configuration by table."""
    settings = _class(FINETUNE / "settings.py", "FinetuneSettings")
    return {
        field.target.id: _keys(_class(FINETUNE / "tables.py", ast.unparse(field.annotation)))
        for field in settings.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def generation_tables() -> dict[str, tuple[str, list[Key]]]:
    """Return the keys of a generation configuration, and those of an endpoint."""
    own = _keys(_class(GENERATION, "GenerationSettings"))
    endpoint = [key for key in _keys(_class(ENDPOINT, "EndpointSettings")) if key.name != "key"]
    one = Key("endpoint", "text", "", "Base URL of the one endpoint; its other keys, below, stand beside it.")
    variable = Key("api_key_env", "text", "", "Environment variable that holds the API key; no file holds the key.")
    return {"generation": ("", [*own, one]), "endpoint": ("Keys of an endpoint", [*endpoint, variable])}


def toml_tables(name: str, elsewhere: dict[str, list[Key]]) -> dict[str, list[Key]]:
    """Return the keys of a packaged TOML file by table, with what the comment behind each says.

    Args:
        name: Of the file, without its ending.
        elsewhere: Tables whose keys have their meaning in another command's settings, which get them passed.
    """
    text = (TOML / f"{name}.toml").read_text(encoding="utf-8")
    tables = {}
    for table, values in tomllib.loads(text).items():
        section = re.search(rf"^\[{table}\](.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
        comments = dict(re.findall(r"^(\w+) = .*?#\s*(.+)$", section[1] if section else "", re.MULTILINE))
        meanings = comments | {key.name: key.meaning for key in elsewhere.get(table, [])}
        if not values and section:
            tables[table] = [Key("any name", "text", "", _capital(section[1].strip(" #\n")))]
            continue
        tables[table] = [
            Key(key, TYPES[type(value).__name__], _written(value), _capital(meanings.get(key, "")))
            for key, value in values.items()
        ]
    return tables


def _class(path: Path, name: str) -> ast.ClassDef:
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return statement
    raise LookupError(f"Expected the class {name} in {path}, found none.")


def _keys(settings: ast.ClassDef) -> list[Key]:
    """Return the fields of a dataclass with what its docstring says of them."""
    meanings = _attributes(ast.get_docstring(settings) or "")
    keys = []
    for field in settings.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            default = "" if field.value is None else _written(ast.literal_eval(field.value))
            keys.append(Key(field.target.id, _kind(field.annotation), default, meanings.get(field.target.id, "")))
    return keys


def _attributes(docstring: str) -> dict[str, str]:
    """Return what the `Attributes:` of a docstring in Google style say."""
    section = re.search(r"^Attributes:\n(.*?)(?=^\S|\Z)", docstring, re.MULTILINE | re.DOTALL)
    found = re.split(r"^(\w+): ", inspect.cleandoc(section[1]), flags=re.MULTILINE)[1:] if section else []
    return {name: " ".join(text.replace("``", "`").split()) for name, text in zip(found[::2], found[1::2], strict=True)}


def _kind(annotation: ast.expr) -> str:
    text = ast.unparse(annotation)
    if text.startswith("Literal["):
        return ", ".join(f"`{choice}`" if choice else "empty" for choice in ast.literal_eval(text[len("Literal") :]))
    kinds = [TYPES[part] for part in text.split(" | ") if part != "None"]
    return "number" if kinds == ["whole number", "number"] else " or ".join(kinds)


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        value = list(value)
    return str(value).lower() if isinstance(value, bool) else str(value).replace("'", '"') if value != "" else '""'


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
