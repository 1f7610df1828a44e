"""What an open pull request carries is what its branch's head says: no death, late answer or new tag moves it back."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.core.facts import BuildResult
from app.core.promotion.branches import branch_name
from app.db.database import Database
from app.db.promotions import PromotionState
from tests.faults.extent import IS_LONG, ROUNDS
from tests.services.interruptions import Interrupted, break_off
from tests.trials.crews import GATED, MIRA, Crew, Open, crews
from tests.trials.mortals import Life

MERGED, SUPERSEDED = PromotionState.MERGED, PromotionState.SUPERSEDED
STEPS = 40 if IS_LONG else 12
_BRANCH = branch_name(prefix="fluxbridge", base="main", stage="production", group="flux-system/app")


# D12
def _pushed_and_forgotten(here: Crew) -> None:
    """A run pushes a newer tag to a branch and is killed before it writes that down."""
    real = here.lane.repository
    here.lane.repository = Interrupted(real, "push", break_off, is_after=True)
    with pytest.raises(Unavailable):
        here.lane.run()
    here.lane.repository = real
    here.lane.now += timedelta(hours=2)


def _killed_after_pushing_1_2_0(crew: Open) -> tuple[Crew, int, str]:
    here = crew(GATED)
    here.build("1.1.0", number=1)
    pull = here.propose("1.1.0")
    here.build("1.2.0", number=2)
    here.lane.push("1.2.0")
    _pushed_and_forgotten(here)
    assert here.tag_on(pull.head) == "1.2.0"
    return here, pull.number, pull.head


def test_a_branch_never_goes_back_because_a_run_died_and_a_newer_tag_waits(crew: Open) -> None:
    here, number, branch = _killed_after_pushing_1_2_0(crew)
    here.lane.push("1.3.0")
    here.run()
    assert here.tag_on(branch) == "1.2.0"
    assert here.find(number).title == "Promote app 1.0.0 to 1.2.0 in production"
    assert here.states() == {
        "1.1.0": SUPERSEDED,
        "1.2.0": PromotionState.PROPOSED,
        "1.3.0": PromotionState.WAITING,
    }
    here.host.merge(number)
    here.run()
    promotion = here.promotion("1.2.0")
    assert (promotion.state, promotion.pull_request, promotion.merged_by) == (MERGED, number, MIRA)


def test_a_merge_before_anybody_looked_again_is_of_the_tag_that_the_head_carries(crew: Open) -> None:
    here, number, _ = _killed_after_pushing_1_2_0(crew)
    here.host.merge(number)
    here.lane.push("1.3.0")
    here.run()
    promotion = here.promotion("1.2.0")
    assert (promotion.state, promotion.pull_request, promotion.merged_by) == (MERGED, number, MIRA)
    assert (here.states()["1.1.0"], here.states()["1.3.0"]) == (SUPERSEDED, PromotionState.WAITING)


@pytest.mark.parametrize("cause", ["its build fails", "it is gone"])
def test_a_branch_goes_back_when_the_tag_that_it_carries_may_not_enter_any_more(crew: Open, cause: str) -> None:
    here, number, branch = _killed_after_pushing_1_2_0(crew)
    if cause == "it is gone":
        here.lose("1.2.0")
    else:
        here.build("1.2.0", BuildResult.FAILURE, number=3)
    here.run()
    assert here.find(number).state == "open"
    assert here.tag_on(branch) == "1.1.0"


def test_opened_and_forgotten_and_merged_with_its_branch_deleted_keeps_its_number(crew: Open) -> None:
    here = crew()
    here.lane.push("1.1.0")
    real: Any = here.lane.forge
    here.lane.forge = Interrupted(real, "open_pull_request", break_off, is_after=True)
    with pytest.raises(Unavailable):
        here.lane.run()
    here.lane.forge = real
    here.lane.now += timedelta(hours=2)
    [pull] = here.open_ones()
    here.host.merge(pull.number)
    here.delete(pull.head)
    here.run()
    promotion = here.promotion("1.1.0")
    assert (promotion.state, promotion.pull_request, promotion.merged_by) == (MERGED, pull.number, MIRA)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_however_often_runs_die_while_people_act_no_branch_goes_back_and_each_merge_is_known(
    tmp_path: Path, database: Database, seed: int
) -> None:
    with crews(tmp_path, database, "local") as opened:
        life = Life(opened(GATED), random.Random(seed), _BRANCH)  # noqa: S311 (the same life for the same seed)
        for _ in range(STEPS):
            life.step()
        life.rest()
        life.check()
