"""Configurations: everything wrong is said at once, before anything is loaded."""

import pytest

from lamm_model.errors import UsageError
from lamm_model.training.settings import presets
from lamm_model.training.settings.settings import load_settings

GOOD = """
[model]
language_model = "embedded"
image_tower = "embedded"
[data]
records = ["a.jsonl"]
"""


def faults_of(tmp_path, text):
    """Return what is said about a configuration that is refused."""
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        load_settings(path)
    return str(error.value)


def test_all_faults_are_listed_with_the_nearest_key(tmp_path):
    text = faults_of(
        tmp_path,
        "[model]\nlanguage_modle = 'x'\nprompt_format = 'alpaca'\n"
        "[training]\nepochs = 'two'\nclip = -1\n[trainin]\nx = 1\n",
    )
    assert "6 faults" in text
    named = ("did you mean language_model", "expected one of lamm", "training.epochs", "at least 0", "mean training")
    assert "data.records" in text
    assert [part for part in named if part not in text] == []


def test_a_misspelt_key_hides_no_other_fault_of_its_table(tmp_path):
    text = faults_of(
        tmp_path,
        "[model]\npath = 'x'\n[data]\nrow_token = 3\n[adaptors]\nrank = 1\n[adapters]\nrank = 0\n"
        "[training]\nlearning_rat = 1.0\nbatch_rows = 0\nwarmup = 'long'\ntrackers = ['tensorbord']\n",
    )
    said = text.splitlines()[1:]
    named = ("data.row_token;", "data.records", "[adaptors]", "learning_rat;", "batch_rows", "warmup", "'tensorbord'")
    assert [part for part in named if sum(part in line for line in said) != 1] == []
    assert len(said) == len(named)  # what belongs to a misspelt table is not judged


def test_contradictions_are_faults(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("[model]\npath = 'x'\nlanguage_model = 'y'\n")
    with pytest.raises(UsageError, match=r"data\.records") as error:
        load_settings(path)
    assert "either path" in str(error.value)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("training.beta1=1.0", "training.beta1: expected less than 1"), ("adapters.rank=0", "adapters.rank"),
     ("compute.checkpointing=some", "checkpointed_layers"), ("compute.attention=segment", "did you mean segments"),
     ("model.quantize=4bit", "stays frozen"), ("data.packing=mix", "did you mean mixed"),
     ("compute.sharding=fsdp", "did you mean fsdp2"),
     ("data.shares=[0]", "data.shares"),
     ("training.learning_rate=nan", "at least 0"), ("computer.compile=true", "did you mean compute")],
)  # fmt: skip
def test_faults_of_every_table(tmp_path, assignment, said):
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    also = {"4bit": "model.train=full"}
    overrides = (assignment, *(other for word, other in also.items() if word in assignment))
    with pytest.raises(UsageError) as error:
        load_settings(path, overrides)
    assert said in str(error.value)


def test_overrides_are_typed(tmp_path):
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    settings = load_settings(path, ("training.seed=7", "training.learning_rate=1", "model.prompt_format=chat"))
    assert (settings.training.seed, settings.training.learning_rate, settings.model.prompt_format) == (7, 1.0, "chat")
    with pytest.raises(UsageError, match=r"--set section\.key=value"):
        load_settings(path, ("seed=7",))


def test_truncated_and_missing_files_are_named(tmp_path):
    with pytest.raises(UsageError, match="found none"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "cut.toml").write_text("[model\n")
    with pytest.raises(UsageError, match="expected TOML"):
        load_settings(tmp_path / "cut.toml")


def test_the_recipes_that_are_promised_are_there():
    names = set(presets.summaries())
    paper = {f"lamm-{what}-{size}" for what in ("image", "point-cloud") for size in ("7b", "13b")}
    tasks = {f"finetune-{task}" for task in ("cifar10", "voc2012", "scienceqa", "scannet", "scanrefer", "scanqa")}
    assert (
        paper | tasks | {"lamm-1.5-stage-1", "lamm-1.5-stage-2", "cloud-on-vlm", "modern-8b", "qlora-24gb", "tiny"}
        <= names
    )
    recipe = load_settings(presets.path_of("lamm-image-13b"))
    # arXiv 2306.06687, Sec. 5.1
    assert (recipe.adapters.rank, recipe.adapters.alpha, recipe.adapters.dropout) == (32, 32.0, 0.1)
    assert (recipe.training.learning_rate, recipe.training.beta2, recipe.training.weight_decay) == (5e-4, 0.95, 1e-3)
    assert load_settings(presets.path_of("lamm-1.5-stage-1")).model.train == "projectors"
    assert load_settings(presets.path_of("lamm-1.5-stage-2")).model.train == "full"


@pytest.mark.parametrize("name", sorted(presets.summaries()))
def test_every_preset_is_valid(name):
    settings = load_settings(presets.path_of(name))
    assert settings.training.learning_rate > 0
    assert len(presets.summaries()[name]) > 10
