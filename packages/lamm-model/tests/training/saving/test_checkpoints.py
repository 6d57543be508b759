"""Checkpoints: the newest intact one is found, whatever happened to the last."""

import json

import pytest

from lamm_model.checkpoints.trained_parts import CHECKSUMS, fault_of
from lamm_model.training.saving.checkpoints import PARTIAL, checkpoints, newest_intact, publish


def make(run, step, keep=9):
    folder = run / PARTIAL / f"checkpoint-{step}"
    (folder / "adapters").mkdir(parents=True)
    (folder / "adapters" / "weights.safetensors").write_bytes(bytes(range(200)) * step)
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    publish(run, folder.name, keep)


@pytest.fixture
def run(tmp_path):
    for step in (5, 10, 15):
        make(tmp_path, step)
    return tmp_path


def test_the_newest_is_taken_and_only_so_many_are_kept(run):
    assert newest_intact(run).path.name == "checkpoint-15"
    make(run, 100, keep=2)
    assert [path.name for path in checkpoints(run)] == ["checkpoint-15", "checkpoint-100"]
    assert not (run / PARTIAL).exists()


def cut(folder):
    path = folder / "adapters" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def flip(folder):
    path = folder / "adapters" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def lose(folder):
    (folder / "trainer_state.json").unlink()


def unseal(folder):
    (folder / CHECKSUMS).unlink()


def scramble(folder):
    (folder / CHECKSUMS).write_text("{")


def mislead(folder):
    (folder / CHECKSUMS).write_text("[]")


@pytest.mark.parametrize(
    ("harm", "said"),
    [(cut, "weights.safetensors is not"), (flip, "is not what was written"), (lose, "missing trainer_state.json"),
     (unseal, "no checksums.json"), (scramble, "checksums.json:"), (mislead, "no table")],
)  # fmt: skip
def test_a_torn_checkpoint_is_passed_over(run, harm, said):
    harm(run / "checkpoint-15")
    found = newest_intact(run)
    assert found.path.name == "checkpoint-10"
    assert said in found.torn["checkpoint-15"]
    harm(run / "checkpoint-10")
    harm(run / "checkpoint-5")
    found = newest_intact(run)
    assert found.path is None
    assert list(found.torn) == ["checkpoint-15", "checkpoint-10", "checkpoint-5"]


def test_an_intact_one_has_no_fault_and_an_empty_run_no_checkpoint(run, tmp_path):
    assert fault_of(run / "checkpoint-5") == ""
    assert newest_intact(tmp_path / "nowhere").path is None
