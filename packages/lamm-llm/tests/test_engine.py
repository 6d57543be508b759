"""Running beside another loop, and what a limit on money lets through."""

import asyncio

import pytest

from lamm_llm import Budget, BudgetReachedError, FormatLadder, Price, find_price, run_async


async def answer():
    await asyncio.sleep(0)
    return 42


def test_work_runs_alone_and_beside_a_loop_that_runs_already():
    async def notebook():
        return run_async(answer)

    assert run_async(answer) == asyncio.run(notebook()) == 42


def test_errors_come_through_both_ways():
    async def fail():
        raise ValueError("no")

    async def notebook():
        return run_async(fail)

    for run in (lambda: run_async(fail), lambda: asyncio.run(notebook())):
        with pytest.raises(ValueError, match="no"):
            run()


def test_a_promise_waits_for_what_is_under_way_and_refuses_what_never_fits():
    async def spend():
        budget = Budget({"m": Price(1e6, 0)}, max_cost=10.0, promise=True)
        first = await budget.promise(6, 0, "m")
        second = asyncio.create_task(budget.promise(6, 0, "m"))
        await asyncio.sleep(0)
        assert not second.done()
        budget.spend(2, 0, "m")  # it cost less than promised
        budget.settle(first)
        assert await second == 6.0
        budget.settle(6.0)
        with pytest.raises(BudgetReachedError, match="--max-cost 10"):
            await budget.promise(9, 0, "m")
        budget.suspect(5, 0, "m")
        assert (budget.cost, budget.gone) == (2.0, 7.0)
        with pytest.raises(BudgetReachedError):
            await budget.promise(4, 0, "m")

    asyncio.run(spend())


def test_an_unpriced_model_promises_nothing():
    budget = Budget({"m": Price(1e6, 0)}, max_cost=1.0, promise=True)
    assert asyncio.run(budget.promise(100, 100, "other")) == 0.0


def test_dated_names_have_the_price_of_their_longest_known_beginning():
    assert find_price("gpt-4o-mini-2024-07-18") == find_price("gpt-4o-mini") != find_price("gpt-4o")
    assert find_price("gpt-4ox") is None


def test_a_ladder_steps_down_once_for_requests_refused_together():
    ladder = FormatLadder()
    ladder.refused("json_schema")
    ladder.refused("json_schema")
    assert ladder.candidates() == ["json_object", "json_schema", "text"]
