"""What trackers are told beside Hugging Face's arguments."""

import sys
from types import SimpleNamespace

import pytest

from lamm_model.errors import UsageError
from lamm_model.training.callbacks.trackers import SettingsTracker, find_trackers


class Config(dict):
    def update(self, values, allow_val_change):
        super().update(values)


@pytest.mark.parametrize("main", [True, False])
def test_the_main_process_sends_the_settings_and_ends_the_run(monkeypatch, main):
    wandb = SimpleNamespace(config=Config(), ended=0)
    wandb.finish = lambda: setattr(wandb, "ended", wandb.ended + 1)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    tracker = SettingsTracker(["tensorboard", "wandb"], {"adapters": {"rank": 4}})
    state = SimpleNamespace(is_world_process_zero=main)
    tracker.on_train_begin(None, state, None)
    tracker.on_train_end(None, state, None)
    assert wandb.config == ({"lamm": {"adapters": {"rank": 4}}} if main else {})
    assert wandb.ended == main


def test_a_folder_of_runs_is_no_tracker(monkeypatch, tmp_path):
    (tmp_path / "a_tracker").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="a_tracker not installed"):
        find_trackers(["a_tracker"], tmp_path)
