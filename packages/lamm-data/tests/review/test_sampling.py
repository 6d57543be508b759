"""The review sample: its share, and that it only grows."""

from lamm_data.records.instruction import InstructionRecord, Turn
from lamm_data.review.sampling import draw_sample


def records(count):
    kinds = ("conversation", "description")
    turns = [Turn("human", "What?"), Turn("gpt", "That.")]
    return [InstructionRecord(turns, id=str(n), image=f"{n}.jpg", task_type=kinds[n % 2]) for n in range(count)]


def test_the_share_is_kept_in_every_stratum_and_the_sample_only_grows():
    small = [item.id for item in draw_sample(records(2000), 0.1)]
    large = [item.id for item in draw_sample(records(4000), 0.1)]
    assert large[: len(small)] == small
    for kind in (0, 1):
        assert 70 <= sum(int(name) % 2 == kind for name in small) <= 130
    assert small != [item.id for item in draw_sample(records(2000), 0.1, seed=1)]
    assert {item.task_type for item in draw_sample(records(10), 1e-9)} == {"conversation", "description"}
