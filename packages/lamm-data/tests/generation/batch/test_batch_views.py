"""Views in batches: all of a row's views travel together, and what is made of their answers in the next batch."""

from lamm_data.generation.batch import run_batch


def test_views_travel_in_one_batch_and_the_descriptions_in_the_next(desk, tell, room_run):
    box = desk(lambda body: (200, tell(body).body))
    run = room_run(box.server.url)
    assert run_batch("submit", run).requests == 2 * 3
    box.finish()
    assert run_batch("collect", run).counts.unsent == 2
    assert run_batch("submit", run).requests == 2
    box.finish()
    assert run_batch("collect", run).counts.finished == 2
