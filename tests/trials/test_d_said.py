"""Holds, refused pushes and moved bases: what is so is said, everywhere alike."""

from dataclasses import replace

import pytest

from app.core.facts import BuildResult
from app.core.promotion.holds import Hold
from app.core.promotion.plans import Closure
from app.core.promotion.tags import TagState
from app.db.promotions import PromotionState
from tests.core.promotion.lanes import Lane as PlannedLane
from tests.core.promotion.lanes import app_lane, hold, policy_file, report, tag_state
from tests.core.promotion.lanes import deployment as core_deployment
from tests.core.promotion.lanes import pull as open_one
from tests.end_to_end.bridge import deployment
from tests.trials.crews import FILES, GATED, MIRA, Open

MERGED, SUPERSEDED, CLOSED = PromotionState.MERGED, PromotionState.SUPERSEDED, PromotionState.CLOSED


def test_a_pull_request_that_is_being_closed_makes_room_for_another_in_the_same_run() -> None:
    files = {f"images/{name}.yaml": policy_file(name=name) for name in ("app", "web")}
    files |= {"apps/app.yaml": core_deployment("1.1.0"), "apps/web.yaml": core_deployment("1.0.0", name="web")}
    rules = b"limits: {open: 1}\n"
    planned = PlannedLane(files, (tag_state("1.1.0"),), rules=rules, pulls=(open_one(7, "all", "1.1.0"),)).plan()
    assert [one.number for one in planned.closures] == [7]
    assert [str(one.moves[0].policy) for one in planned.proposals] == ["flux-system/web"]


@pytest.mark.parametrize(("held", "proposed"), [("staging", ["production"]), ("production", ["staging"])])
def test_a_hold_is_one_of_its_stage_alone(held: str, proposed: list[str]) -> None:
    lane = replace(app_lane(tag_state("1.1.0", report("1.1.0"))), holds=(hold(held, "1.1.0"),))
    assert [one.stage for one in lane.plan().proposals] == proposed


@pytest.mark.parametrize(
    ("newer", "holds"),
    [
        pytest.param(tag_state("1.2.0"), (), id="waits"),
        pytest.param(tag_state("1.2.0", report("1.2.0")), (hold("production", "1.2.0"),), id="is held"),
        pytest.param(tag_state("1.2.0", report("1.2.0", BuildResult.FAILURE)), (), id="failed"),
    ],
)
def test_a_tag_that_is_in_the_base_branch_already_is_said_to_be_whatever_becomes_of_a_newer_one(
    newer: TagState, holds: tuple[Hold, ...]
) -> None:
    lane = app_lane(newer, tag_state("1.1.0", report("1.1.0")), production="1.1.0")
    planned = replace(lane, holds=holds, pulls=(open_one(7, "production", "1.1.0"),)).plan()
    assert planned.closures == (Closure(7, "the base branch has this tag already", is_in_base=True),)


# D10
@pytest.mark.parametrize("files", [FILES, GATED], ids=["proposed", "waiting"])
def test_a_base_that_a_person_moved_is_one_truth_everywhere(crew: Open, files: dict[str, str]) -> None:
    here = crew(files)
    if files is GATED:
        here.lane.push("1.3.0")
        here.run()
    pull = here.propose("1.3.0") if files is FILES else None
    here.push_to("main", {"apps/app.yaml": deployment("1.1.5")})
    here.lane.push("1.1.5")
    here.run(3)
    promotion = here.promotion("1.3.0")
    assert (promotion.from_tag, promotion.tag) == ("1.1.5", "1.3.0")
    assert {one.from_tag for one in here.plan().outcomes} == {"1.1.5"}
    if pull is not None:
        shown = here.find(pull.number)
        message = here.config.git("log", "-1", "--format=%B", pull.head).decode()
        assert shown.title == message.splitlines()[0] == "Promote app 1.1.5 to 1.3.0"
        assert "`1.1.5`" in shown.body
        assert "`1.0.0`" not in shown.body
    assert len(here.events("1.3.0")) == (3 if pull is not None else 2)


# D8
_HELD_STAGES = "stages:\n  {name}: {{paths: [apps]}}\n"


def test_a_hold_alone_makes_no_run(crew: Open) -> None:
    here = crew()
    pull = here.propose("1.1.0")
    here.host.close(pull.number)
    here.run(3)
    assert (here.lane_row().next_look_at, len(here.held())) == (None, 1)


def test_a_hold_moves_along_when_its_stage_is_renamed(crew: Open) -> None:
    here = crew({**FILES, ".fluxbridge.yaml": _HELD_STAGES.format(name="prod")})
    pull = here.propose("1.1.0")
    here.host.close(pull.number)
    here.run()
    here.push_to("main", {".fluxbridge.yaml": _HELD_STAGES.format(name="production")})
    here.run()
    assert (here.held(), here.open_ones()) == ([(MIRA, "production", ("1.1.0",))], [])
    here.host.reopen(pull.number)
    here.run()
    assert ([one.number for one in here.open_ones()], here.held()) == ([pull.number], [])


def test_a_hold_moves_along_also_where_its_field_cannot_be_written_any_more(crew: Open) -> None:
    here = crew({**FILES, ".fluxbridge.yaml": _HELD_STAGES.format(name="prod")})
    here.host.close(here.propose("1.1.0").number)
    here.run()
    template = deployment("1.0.0").replace(":1.0.0 ", ":1.0.0-{{ .Values.suffix }} ")
    here.push_to("main", {".fluxbridge.yaml": _HELD_STAGES.format(name="production"), "apps/app.yaml": template})
    here.run()
    assert [one.standing for one in here.plan().outcomes] == ["stuck"]
    assert here.held() == [(MIRA, "production", ("1.1.0",))]
    assert [one.what for one in here.plan().noticed if "no field of that policy" in one.what] == []


def test_what_is_open_and_what_was_let_in_moves_along_when_its_stage_is_renamed(crew: Open) -> None:
    here = crew({**FILES, ".fluxbridge.yaml": _HELD_STAGES.format(name="prod")})
    here.host.merge(here.propose("1.1.0").number)
    here.run()
    pull = here.propose("1.2.0")
    here.push_to("main", {".fluxbridge.yaml": _HELD_STAGES.format(name="production")})
    here.run()
    assert [(one.number, one.head) for one in here.open_ones()] == [(pull.number, pull.head)]
    assert {one.stage for one in here.lane.promotions()} == {"production"}
    assert here.find(pull.number).title == "Promote app 1.1.0 to 1.2.0 in production"


def test_a_hold_whose_stage_is_gone_is_listed(crew: Open) -> None:
    stages = "stages:\n  {name}: {{paths: [{path}]}}\n"
    here = crew({**FILES, ".fluxbridge.yaml": stages.format(name="prod", path="apps")})
    here.host.close(here.propose("1.1.0").number)
    here.run()
    moved = {".fluxbridge.yaml": stages.format(name="live", path="apps"), "apps/second.yaml": deployment("1.0.0")}
    here.push_to("main", moved)
    here.run()
    assert [one.what for one in here.plan().noticed if "held in prod by mira" in one.what] != []


# D9
def test_a_push_that_a_hook_refuses_is_said_everywhere(crew: Open) -> None:
    here = crew()
    hooks = here.config.path / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "pre-receive").write_text("#!/bin/sh\necho 'ask the platform team first' >&2\nexit 1\n")
    (hooks / "pre-receive").chmod(0o755)
    here.lane.push("1.1.0")
    here.run(1)
    plan, row = here.plan(), here.lane_row()
    assert [one.is_put_off for one in plan.proposals] == [True]
    assert [one.standing for one in plan.outcomes] == ["waiting"]
    assert "pre-receive hook declined" in plan.outcomes[0].reason
    assert plan.outcomes[0].reason == here.promotion("1.1.0").reason == row.problem
    assert (row.attempts, here.promotion("1.1.0").state) == (1, PromotionState.WAITING)
    (hooks / "pre-receive").unlink()
    here.run()
    assert (here.lane_row().problem, here.promotion("1.1.0").state) == (None, PromotionState.PROPOSED)
