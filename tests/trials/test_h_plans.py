"""A plan says what will be done and what will not, why not, and what a person can do: whatever keeps a part back."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from app.cli.queries import _print_plan
from app.core.errors import FluxbridgeError
from app.core.ports import PushOutcome, PushResult
from app.core.promotion.leaving import PUSHED
from app.core.promotion.plans import Plan, Standing
from app.db import lanes
from app.services.lane.reconcile import reconcile
from app.services.reading.lanes import lane_plan
from app.services.reading.plans import PlannedOutcome
from app.services.reading.tag_explained import explain_tag_everywhere
from app.services.work.spend import BudgetSpent
from tests.core.promotion.lanes import app_lane, hold, pull, report, tag_state
from tests.end_to_end.bridge import deployment, policy
from tests.services.interruptions import Interrupted
from tests.services.lanes import IMAGE
from tests.trials.crews import Crew, Open
from tests.trials.lane_plans import explained

SPENT = "fleet got its 300 writes an hour from us; more follow in 60 s (forge.writes_per_hour)"


def spent() -> None:
    """The forge has got all that we allow ourselves."""
    raise BudgetSpent("fleet", per_hour=300, retry_after=timedelta(minutes=1))


def break_off(here: Crew) -> None:
    """A run that fails, and what the worker does then."""
    run = here.lane.claim()
    with pytest.raises(FluxbridgeError) as failed:
        reconcile(run)
    with here.lane.database.transaction() as connection:
        due_at = here.lane.now + timedelta(minutes=1)
        lanes.fail(connection, run.claim, due_at=due_at, error=str(failed.value), counts=False)


def outcomes(here: Crew) -> dict[str | None, PlannedOutcome]:
    return {one.tag: one for one in here.plan().outcomes}


# A person's branch
@pytest.mark.parametrize("is_lost", [False, True], ids=["known", "data folder lost"])
def test_of_a_branch_that_is_a_persons_the_plan_says_what_they_can_do_and_it_helps(
    crew: Open, *, is_lost: bool
) -> None:
    here = crew()
    taken = here.propose("1.1.0")
    here.push_to(taken.head, {"mine.yaml": "a: 1\n"})
    if is_lost:
        here.forget()
    here.lane.push("1.5.0")
    here.run()
    said = outcomes(here)["1.5.0"]
    assert (said.standing, said.reason) == ("left to people", PUSHED)
    assert said.next_step == f"delete the branch {taken.head}, or merge pull request {taken.number}"
    assert said.next_step in here.host.comments(taken.number)[0]
    assert here.plan().proposals == []
    told = f"left to people: {PUSHED}; what you can do: {said.next_step}"
    assert explained(here.lane).stages[0].kept_back == told
    story = explain_tag_everywhere(
        here.lane.database, here.lane.systems, f"{IMAGE}:1.5.0", scans=here.lane.scans, now=here.lane.now
    )
    assert [(one.place, one.kept_back) for one in story.policies[0].stages] == [("enters", told)]
    here.delete(taken.head)
    here.run(3)
    assert [here.tag_on(one.head) for one in here.open_ones()] == ["1.5.0"]


def test_what_took_the_place_of_a_tag_that_waited_is_the_newest_one(crew: Open) -> None:
    here = crew()
    taken = here.propose("1.1.0")
    here.push_to(taken.head, {"mine.yaml": "a: 1\n"})
    for tag in ("1.2.0", "1.3.0"):
        here.lane.push(tag)
        here.run()
    assert here.promotion("1.2.0").reason == "1.3.0 took its place"


# Closed by a person
def test_a_no_that_was_missed_is_in_the_plan_of_the_run_that_finds_it(crew: Open) -> None:
    here = crew()
    here.run()
    here.lane.push("1.1.0")
    real = here.lane.forge
    here.lane.forge = Interrupted(real, "open_pull_request", spent, is_after=True)
    break_off(here)
    here.lane.forge = real
    here.lane.now += timedelta(hours=1)
    [closed] = here.open_ones()
    here.host.close(closed.number)
    here.run(1)
    said = outcomes(here)["1.1.0"]
    assert here.plan().proposals == []
    assert (said.standing, said.reason) == ("held", f"pull request {closed.number} was closed by mira")
    assert said.next_step == "reopen it, or push a higher tag"
    assert here.lane_row().problem is None
    here.run(1)
    assert outcomes(here)["1.1.0"].standing == "held"


# The forge
@pytest.mark.parametrize("call", ["open_pull_request", "find_pull_requests"])
def test_a_budget_that_is_spent_is_said_in_the_plan_of_the_run_that_it_broke_off(crew: Open, call: str) -> None:
    here = crew()
    here.run()
    here.lane.push("1.1.0")
    here.lane.forge = Interrupted(here.lane.forge, call, spent)
    break_off(here)
    [proposal] = here.plan().proposals
    assert (proposal.is_put_off, proposal.put_off_because) == (True, f"not done yet: {SPENT}")
    assert outcomes(here)["1.1.0"].reason == f"not done yet: {SPENT}"
    with here.lane.database.transaction() as connection:
        shown = lane_plan(connection, "fleet", "main")
    assert (shown.broken_off, shown.tried_again_at) == (SPENT, here.lane.now + timedelta(minutes=1))
    here.lane.now += timedelta(hours=1)
    here.run()
    assert [one.is_put_off for one in here.plan().proposals] == [False]


def test_what_was_done_before_a_run_was_broken_off_is_not_said_to_be_undone(crew: Open) -> None:
    stages = "stages:\n  a: {paths: [apps/a]}\n  b: {paths: [apps/b]}\n"
    places = {f"apps/{one}/app.yaml": deployment("1.0.0") for one in "ab"}
    here = crew({"images/app.yaml": policy(), ".fluxbridge.yaml": stages, **places})
    here.run()
    here.lane.push("1.1.0")
    here.lane.forge = Second(here.lane.forge)
    break_off(here)
    assert sorted((one.stage, one.is_put_off) for one in here.plan().proposals) == [("a", False), ("b", True)]
    assert {one.stage: one.standing for one in here.plan().outcomes} == {"a": "proposed", "b": "waiting"}


@dataclass
class Second:
    """A forge that refuses the second pull request that is opened."""

    real: Any
    opened: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def open_pull_request(self, wanted: Any) -> Any:
        self.opened += 1
        if self.opened == 2:
            spent()
        return self.real.open_pull_request(wanted)


def test_a_closure_that_could_not_be_made_is_said_to_be_put_off(crew: Open) -> None:
    here = crew()
    open_one = here.propose("1.1.0")
    here.lose("1.1.0")
    here.lane.forge = Interrupted(here.lane.forge, "close_pull_request", spent)
    break_off(here)
    [closure] = here.plan().closures
    assert (closure.number, closure.put_off) == (open_one.number, f"not done yet: {SPENT}")


@dataclass
class Moving:
    """A repository whose branches others move whenever we push."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def push(self, updates: Any) -> Any:
        return {each.branch: PushResult(PushOutcome.STALE, "stale info") for each in updates}


def test_a_branch_that_was_moved_while_it_was_pushed_is_said_at_the_first_time(crew: Open) -> None:
    here = crew()
    here.lane.push("1.1.0")
    here.lane.repository = Moving(here.lane.repository)
    here.run(1)
    [proposal] = here.plan().proposals
    assert proposal.is_put_off
    assert "was moved by others while it was pushed" in (proposal.put_off_because or "")
    assert here.lane_row().problem is None


# What is decided before anything is done
def said_of(plan: Plan, stage: str, standing: Standing) -> tuple[str | None, str, str | None]:
    [one] = [one for one in plan.outcomes if (one.stage, one.standing) == (stage, standing)]
    return one.tag, one.reason, one.next_step


def test_who_only_observes_is_told_what_an_open_one_would_get_and_what_would_be_closed() -> None:
    lane = app_lane(tag_state("1.1.0"), tag_state("1.2.0"), production="1.2.0")
    pulls = (pull(7, "staging", "1.1.0"), pull(8, "production", "1.2.0"))
    plan = replace(lane, pulls=pulls, is_observing=True).plan()
    assert (plan.proposals, plan.closures) == ((), ())
    assert [one.moves[0].tag for one in plan.put_off] == ["1.2.0"]
    assert said_of(plan, "staging", Standing.WAITING) == ("1.2.0", "mode: observe", "set mode: propose")
    assert [(one.number, one.put_off) for one in plan.kept_open] == [(8, "mode: observe")]


def test_who_only_observes_finds_what_is_open_as_it_is() -> None:
    lane = replace(app_lane(tag_state("1.1.0")), pulls=(pull(7, "staging", "1.1.0"),), is_observing=True)
    assert said_of(lane.plan(), "staging", Standing.PROPOSED)[0] == "1.1.0"


def test_a_limit_and_a_hold_say_what_can_be_done() -> None:
    lane = app_lane(tag_state("1.1.0", report("1.1.0")))
    held = replace(lane, holds=(hold("staging", "1.1.0"),)).plan()
    assert said_of(held, "staging", Standing.HELD)[2] == "reopen the pull request, or push a higher tag"
    limits = b"limits: {open: 1}\nstages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"
    plan = replace(lane, rules=limits).plan()
    waits = [one for one in plan.outcomes if one.standing is Standing.WAITING]
    assert [one.next_step for one in waits] == ["merge or close some, or raise limits.open"]


def test_the_command_prints_why_and_what_to_do(github_crew: Open, capsys: pytest.CaptureFixture[str]) -> None:
    here = github_crew()
    taken = here.propose("1.1.0")
    here.push_to(taken.head, {"mine.yaml": "a: 1\n"})
    here.propose("1.5.0")
    _print_plan({"repo": "fleet", "branch": "main", "last_error": None}, here.plan().model_dump(mode="json"))
    out = capsys.readouterr().out
    assert "pull request: " not in out
    assert f"what you can do: delete the branch {taken.head}, or merge pull request 1\n" in out
