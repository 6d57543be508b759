"""`lamm model finetune` at the command line: presets listed and shown, faults said at once, a run and its summary."""

import json

from click.testing import CliRunner
from PIL import Image

from lamm_model.training.run.command import finetune


def call(*arguments):
    return CliRunner().invoke(finetune, [str(argument) for argument in arguments])


def test_presets_are_listed_with_what_they_are():
    lines = call("--list").output.splitlines()
    named = {line.split()[0]: line for line in lines}
    assert "QLoRA" in named["qlora-24gb"]
    assert len(named["finetune-scanqa"].split()) > 5


def test_a_preset_is_shown_to_be_copied(tmp_path):
    shown = call("--show", "tiny").output
    (tmp_path / "mine.toml").write_text(shown)
    fault = call(tmp_path / "mine.toml", "--output", tmp_path / "run", "--set", "training.epoch=3").exception
    assert "did you mean epochs?" in str(fault)
    assert not (tmp_path / "run").exists()
    assert "Did you mean lamm-image-7b?" in str(call("--show", "lam-image-7b").exception)


def test_a_run_says_what_it_did_and_what_it_left_out(parts, tmp_path):
    Image.new("RGB", (40, 40), (200, 30, 30)).save(tmp_path / "0.png")
    turns = [{"from": "human", "value": "What colour?"}, {"from": "gpt", "value": "red"}]
    long = [turns[0], {"from": "gpt", "value": "red " * 400}]
    records = [
        {"id": name, "image": "0.png", "task_type": "normal", "conversations": said}
        for name, said in (("short", turns), ("long", long))
    ]
    (tmp_path / "records.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    settings = {
        "model.language_model": parts.language, "model.image_tower": parts.lite, "model.point_cloud_tower": "''",
        "model.train_point_cloud_tower": "false", "data.records": f'["{tmp_path / "records.jsonl"}"]',
        "data.packing": "mixed", "training.max_steps": 2, "training.precision": "fp32", "adapters.rank": 2,
    }  # fmt: skip
    chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    done = call("tiny", "--output", tmp_path / "run", *chosen)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("2 steps over 1 dialogues in 1 rows")
    assert done.stderr.splitlines()[:2] == ["Preparing the model ...", "Fine-tuning ..."]
    log = next(line for line in done.stderr.splitlines() if line.startswith("step 2/2: loss "))
    assert [unit for unit in ("learning rate", " tokens/s", " samples/s", " GiB", "% waiting") if unit not in log] == []
    assert "1 rejected, longer than row_tokens = 320: records.jsonl:long." in done.output
    assert "is complete; nothing was done" in call("tiny", "--output", tmp_path / "run", *chosen).output
    assert json.loads(call("tiny", "--output", tmp_path / "run", *chosen, "--json").stdout)["steps"] == 2
