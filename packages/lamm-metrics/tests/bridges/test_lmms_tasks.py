"""lmms-eval finds our folder by its include path, and shows the scores that `lamm_metrics.score` gives."""

import json

import pytest

from lamm_metrics import UsageError, write_lmms_tasks


def test_a_task_file_names_every_score_and_the_sides_of_its_interval(shop, rooms, tmp_path):
    names = write_lmms_tasks(tmp_path / "tasks", [rooms.file], views=rooms.rule["views"], protocol="leo")
    assert names == ["lamm_OpenVQA_Rooms_leo"]
    text = (tmp_path / "tasks" / f"{names[0]}.yaml").read_text()
    for name in rooms.shown().keys() - {"unread"}:
        assert f"metric: {json.dumps(name)}" in text
    rows = [json.loads(line) for line in (tmp_path / "tasks" / f"{names[0]}.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    assert rows[0]["question"].splitlines() == ["Answer in a few words.", "What number 0?"]
    assert len(json.loads(rows[0]["pictures"])) == 2


def test_what_this_harness_cannot_ask_is_refused_at_once(rooms, shop, tmp_path):
    with pytest.raises(UsageError, match=r"pictures of the cloud 'room0.npy' of record 'q0'.*lamm data render"):
        write_lmms_tasks(tmp_path / "tasks", [rooms.file])
    records = json.loads(shop.file.read_text())
    shop.file.write_text(json.dumps([{**one, "query": {"a": "?"}} for one in records]))
    with pytest.raises(UsageError, match=r"one question under `query` in record '0'.*lamm model predict"):
        write_lmms_tasks(tmp_path / "tasks", [shop.file])
    with pytest.raises(UsageError, match="protocol of questions"):
        write_lmms_tasks(tmp_path / "tasks", [shop.file], protocol="coco")


@pytest.mark.parametrize("name", ["../out.png", "/etc/passwd", "gone.png", "link.png", ""])
def test_pictures_from_elsewhere_are_not_shown(shop, tmp_path, name):
    """A record of unknown origin must not have other files sent to a model."""
    outside = tmp_path.parent / "out.png"
    outside.write_bytes((tmp_path / "0.png").read_bytes())
    (tmp_path / "link.png").symlink_to(outside)
    records = json.loads(shop.file.read_text())
    shop.file.write_text(json.dumps([{**one, "image": [name]} for one in records]))
    with pytest.raises(UsageError, match=r"the picture .* of record '0' below .*--media-root"):
        write_lmms_tasks(tmp_path / "tasks", [shop.file])


def test_pictures_of_clouds_lie_beside_their_list(rooms, tmp_path):
    listing = tmp_path / "views" / "views.jsonl"
    listing.write_text(json.dumps({"cloud": "room0.npy", "picture": "../0.png"}) + "\n")
    with pytest.raises(UsageError, match=r"the picture '../0.png' of .*views.jsonl, line 1 below"):
        write_lmms_tasks(tmp_path / "tasks", [rooms.file], views=str(tmp_path / "views"))
    for line in ("[]", "{", '{"cloud": 1}'):
        listing.write_text(line + "\n")
        with pytest.raises(UsageError, match=r"views.jsonl, line 1\)\. Write the folder with `lamm data render`"):
            write_lmms_tasks(tmp_path / "tasks", [rooms.file], views=str(tmp_path / "views"))


def test_lmms_eval_gives_the_numbers_of_our_own_score(shop, rooms, tmp_path, monkeypatch):
    pytest.importorskip("lmms_eval", reason="needs lmms-eval: `nox -s bridges`")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    from lmms_eval.api.model import lmms
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    answers, sizes = {**shop.answers, **rooms.answers}, []

    class Knowing(lmms):
        """A model that knows the answers by heart."""

        def generate_until(self, requests):
            texts = []
            for context, _, visual, doc_id, task, split in (request.args for request in requests):
                sizes.append([picture.size for picture in visual(self.task_dict[task][split][doc_id])])
                texts.append(answers[context.splitlines()[-1]])
            return texts

        def loglikelihood(self, requests):
            raise NotImplementedError

        generate_until_multi_round = loglikelihood

    folder = tmp_path / "tasks"
    names = write_lmms_tasks(folder, [shop.file])
    names += write_lmms_tasks(folder, [rooms.file], protocol="leo", views=rooms.rule["views"])
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = simple_evaluate(model=Knowing(), tasks=names, task_manager=manager, bootstrap_iters=0, log_samples=False)
    for name, bench in zip(names, (shop, rooms), strict=True):
        by_name = {key.partition(",")[0]: value for key, value in found["results"][name].items()}
        expected = {key: value for key, value in bench.shown().items() if key != "unread"}
        assert {key: by_name[key] for key in expected} == expected
    assert sorted(map(len, sizes)) == [1] * 9 + [2] * 8
