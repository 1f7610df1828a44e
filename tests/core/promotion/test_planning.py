"""Which pull requests should exist, and why."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.facts import BuildResult
from app.core.promotion.plans import Outcome, Plan, Standing
from app.core.promotion.tags import TagState
from tests.core.promotion.lanes import (
    NOW,
    POLICY,
    Lane,
    app_lane,
    deployment,
    digest,
    hold,
    policy_file,
    pull,
    report,
    tag_state,
)

_WRITTEN, _NAMED_NOW = digest("written"), digest("named now")


def _proposed(plan: Plan) -> dict[str, str]:
    return {one.stage: one.moves[0].tag for one in plan.proposals}


def _outcomes(plan: Plan, stage: str) -> list[tuple[Standing, str | None]]:
    return [(one.standing, one.tag) for one in plan.outcomes if one.stage == stage]


def _one(plan: Plan, stage: str, standing: Standing) -> Outcome:
    return next(one for one in plan.outcomes if (one.stage, one.standing) == (stage, standing))


def test_a_new_tag_enters_the_stage_that_asks_for_nothing_and_waits_where_a_build_is_required() -> None:
    plan = app_lane(tag_state("1.1.0")).plan()
    assert _proposed(plan) == {"staging": "1.1.0"}
    waiting = _one(plan, "production", Standing.WAITING)
    assert (waiting.tag, "no build has reported" in waiting.reason) == ("1.1.0", True)
    assert plan.next_look_at == NOW + timedelta(minutes=54)


def test_a_successful_build_of_the_digest_lets_the_tag_into_production() -> None:
    plan = app_lane(tag_state("1.1.0", report("1.1.0"))).plan()
    assert _proposed(plan) == {"staging": "1.1.0", "production": "1.1.0"}


def test_a_failed_build_is_skipped_for_the_next_candidate() -> None:
    failed = tag_state("1.2.0", report("1.2.0", BuildResult.FAILURE, number=2))
    plan = app_lane(failed, tag_state("1.1.0", report("1.1.0"))).plan()
    assert _proposed(plan)["production"] == "1.1.0"
    assert _outcomes(plan, "production")[0] == (Standing.REFUSED, "1.2.0")


def test_the_newest_finished_build_of_a_digest_decides() -> None:
    plan = app_lane(
        tag_state("1.1.0", report("1.1.0", BuildResult.FAILURE, number=1), report("1.1.0", number=2))
    ).plan()
    assert _proposed(plan)["production"] == "1.1.0"


def test_a_tag_that_no_build_reports_in_time_is_refused() -> None:
    plan = app_lane(tag_state("1.1.0")).plan(after=timedelta(hours=2))
    refused = _one(plan, "production", Standing.REFUSED)
    assert "no build reported it within 60 min" in refused.reason


def test_a_field_never_moves_backwards_by_accident() -> None:
    plan = app_lane(tag_state("0.9.0", report("0.9.0")), staging="1.0.0", production="1.0.0").plan()
    assert plan.proposals == ()
    assert _outcomes(plan, "staging") == [(Standing.CURRENT, "1.0.0")]


def test_an_older_hotfix_pushed_after_a_newer_tag_changes_nothing() -> None:
    plan = app_lane(tag_state("1.1.0"), tag_state("1.0.5"), staging="1.1.0").plan()
    assert "staging" not in _proposed(plan)


def test_a_changed_policy_may_move_a_field_backwards() -> None:
    lane = app_lane(tag_state("0.9.0"), tag_state("1.0.0"), choice="semver: {range: '<1.0.0'}")
    assert _proposed(replace(lane, changed_spec=True).plan())["staging"] == "0.9.0"


def test_a_tag_that_is_gone_lets_the_field_move_backwards() -> None:
    plan = app_lane(tag_state("0.9.0"), tag_state("1.0.0", is_gone=True)).plan()
    assert _proposed(plan)["staging"] == "0.9.0"


def test_a_text_that_the_policy_cannot_order_may_be_replaced_by_any_tag() -> None:
    plan = app_lane(tag_state("0.9.0"), staging="latest", production="0.5.0").plan()
    assert _proposed(plan)["staging"] == "0.9.0"
    assert plan.proposals[0].moves[0].downward is None


@pytest.mark.parametrize("refused", ["1.0.0", "1.0.0-rc.1"])
def test_a_move_down_from_a_tag_that_the_policy_has_no_place_for_says_so(refused: str) -> None:
    lane = app_lane(tag_state("0.9.0"), staging=refused, choice="semver: {range: '<1.0.0'}")
    [move] = [one.moves[0] for one in lane.plan().proposals if one.stage == "staging"]
    assert str(move.downward) == f"down from {refused}: the policy has no place for {refused} in its order"


def test_an_open_pull_request_stays_while_a_newer_tag_waits() -> None:
    lane = app_lane(tag_state("1.2.0"), tag_state("1.1.0", report("1.1.0")))
    plan = replace(lane, pulls=(pull(7, "production", "1.1.0"),)).plan()
    assert _proposed(plan)["production"] == "1.1.0"
    assert _outcomes(plan, "production") == [(Standing.WAITING, "1.2.0"), (Standing.PROPOSED, "1.1.0")]
    assert plan.closures == ()


def test_nothing_new_opens_while_a_newer_tag_waits() -> None:
    plan = app_lane(tag_state("1.2.0"), tag_state("1.1.0", report("1.1.0"))).plan()
    assert "production" not in _proposed(plan)


def test_an_open_pull_request_whose_tag_fails_is_closed() -> None:
    lane = app_lane(tag_state("1.1.0", report("1.1.0", BuildResult.FAILURE)))
    plan = replace(lane, pulls=(pull(7, "production", "1.1.0"),)).plan()
    assert [(one.number, one.reason) for one in plan.closures] == [(7, "build team/app/main #1 ended FAILURE")]


def test_what_a_person_closed_is_not_proposed_again_nor_anything_lower() -> None:
    lane = app_lane(tag_state("1.2.0"), tag_state("1.1.0"))
    plan = replace(lane, holds=(hold("staging", "1.2.0"),)).plan()
    assert "staging" not in _proposed(plan)
    assert _one(plan, "staging", Standing.HELD).reason == "pull request 3 was closed, by mira"


def test_a_higher_tag_passes_a_hold() -> None:
    lane = app_lane(tag_state("1.3.0"), tag_state("1.2.0"))
    assert _proposed(replace(lane, holds=(hold("staging", "1.2.0"),)).plan())["staging"] == "1.3.0"


def test_a_policy_waits_until_its_catalogue_is_listed_and_open_pull_requests_stay() -> None:
    lane = replace(app_lane(), waits_for="catalogue not listed", pulls=(pull(7, "staging", "1.1.0"),))
    plan = lane.plan()
    assert (plan.proposals, plan.closures) == ((), ())
    assert _one(plan, "staging", Standing.WAITING).reason == "catalogue not listed"


def test_a_pull_request_whose_policy_is_gone_is_closed() -> None:
    lane = replace(app_lane(), pulls=(pull(9, "staging", "1.1.0", group="flux-system/other"),))
    assert [one.number for one in lane.plan().closures] == [9]


def test_the_limit_keeps_the_latest_wishes_waiting() -> None:
    lane = app_lane(tag_state("1.1.0", report("1.1.0")))
    limited = replace(
        lane,
        rules=(lane.rules or b"") + b"limits: {open: 1}\n",
        began={("production", POLICY, "1.1.0"): NOW - timedelta(hours=1)},
    )
    plan = limited.plan()
    assert _proposed(plan) == {"production": "1.1.0"}
    assert _one(plan, "staging", Standing.WAITING).reason == "limit: 1 pull requests are open"
    assert [one.stage for one in plan.put_off] == ["staging"]


def test_observing_plans_and_opens_nothing() -> None:
    plan = replace(app_lane(tag_state("1.1.0")), is_observing=True).plan()
    assert plan.proposals == ()
    assert [one.stage for one in plan.put_off] == ["staging"]
    assert _one(plan, "staging", Standing.WAITING).reason == "mode: observe"


def test_a_broken_policy_stops_itself_and_never_its_neighbour() -> None:
    lane = app_lane(tag_state("1.1.0"))
    files = dict(lane.files)
    files["images/broken.yaml"] = policy_file("semver: {range: '>=1'}", name="broken").replace(
        b"image: registry.acme.example/team/broken", b"image: https://registry.acme.example/team/broken"
    )
    files["apps/staging/broken.yaml"] = deployment("1.0.0", name="broken")
    plan = replace(lane, files=files).plan()
    assert _proposed(plan) == {"staging": "1.1.0"}
    assert [one.policy for one in plan.outcomes if one.standing is Standing.STUCK] == ["flux-system/broken"]


def test_without_rules_every_field_is_in_one_stage_with_its_own_pull_request() -> None:
    plan = replace(app_lane(tag_state("1.1.0")), rules=None).plan()
    assert [(one.stage, one.branch) for one in plan.proposals] == [
        ("all", "fluxbridge/main/all/flux-system-app-980099a7")
    ]
    assert len(plan.proposals[0].changes) == 2


def test_fields_of_one_stage_that_disagree_are_brought_to_the_higher_tag() -> None:
    lane = app_lane(staging="1.0.0")
    files = {**lane.files, "apps/staging/second.yaml": deployment("1.1.0")}
    plan = replace(lane, files=files).plan()
    changes = next(one.changes for one in plan.proposals if one.stage == "staging")
    assert [(one.field.file, one.new_text) for one in changes] == [
        ("apps/staging/app.yaml", "registry.acme.example/team/app:1.1.0")
    ]


def test_the_same_state_gives_the_same_plan() -> None:
    lane = app_lane(tag_state("1.1.0"), tag_state("1.2.0", report("1.2.0")))
    assert lane.plan() == lane.plan()


def test_observing_proposes_nothing_for_a_pull_request_that_is_open_either() -> None:
    lane = replace(app_lane(tag_state("1.1.0"), tag_state("1.2.0")), pulls=(pull(7, "staging", "1.1.0"),))
    plan = replace(lane, is_observing=True).plan()
    assert (plan.proposals, plan.closures) == ((), ())


def _reflecting(word: str, *tags: TagState, staging: str = "1.0.0", production: str = "1.0.0") -> Lane:
    """The app in two stages, under a policy that writes digests."""
    interval = "  interval: 10m\n" if word == "Always" else ""
    spec = f"spec:\n  digestReflectionPolicy: {word}\n{interval}  imageRepositoryRef".encode()
    lane = app_lane(*tags, staging=staging, production=production)
    return replace(
        lane, files={**lane.files, "images/app.yaml": policy_file().replace(b"spec:\n  imageRepositoryRef", spec)}
    )


def _written(plan: Plan, stage: str) -> list[str]:
    return [change.new_text for one in plan.proposals if one.stage == stage for change in one.changes]


@pytest.mark.parametrize(
    ("of_written", "of_named_now", "proposed"),
    [
        pytest.param(
            BuildResult.SUCCESS,
            BuildResult.FAILURE,
            [f"registry.acme.example/team/app:1.1.0@{_WRITTEN}"],
            id="the-written-one-passed",
        ),
        pytest.param(BuildResult.FAILURE, BuildResult.SUCCESS, [], id="the-written-one-failed"),
    ],
)
def test_a_gate_is_asked_of_the_digest_that_would_be_written(
    of_written: BuildResult, of_named_now: BuildResult, proposed: list[str]
) -> None:
    older = replace(report("1.1.0", of_written, number=1), digest=_WRITTEN)
    newer = replace(report("1.1.0", of_named_now, number=2), digest=_NAMED_NOW)
    moved = replace(tag_state("1.1.0", older, newer), digest=_NAMED_NOW)
    plan = _reflecting("IfNotPresent", moved, staging=f"1.1.0@{_WRITTEN}").plan()
    assert _written(plan, "production") == proposed
    builds = {one.build_id for one in plan.outcomes if (one.stage, one.tag) == ("production", "1.1.0")}
    assert builds == {older.build_id}


def test_what_is_open_while_a_newer_tag_waits_is_judged_by_the_digest_that_it_writes() -> None:
    older = replace(report("1.1.0", number=1), digest=_WRITTEN)
    newer = replace(report("1.1.0", BuildResult.FAILURE, number=2), digest=_NAMED_NOW)
    moved = replace(tag_state("1.1.0", older, newer), digest=_NAMED_NOW)
    lane = _reflecting("IfNotPresent", moved, tag_state("1.2.0"), staging=f"1.1.0@{_WRITTEN}")
    plan = replace(lane, pulls=(pull(7, "production", "1.1.0"),)).plan()
    assert _outcomes(plan, "production") == [(Standing.WAITING, "1.2.0"), (Standing.PROPOSED, "1.1.0")]
    assert plan.closures == ()


@pytest.mark.parametrize("word", ["Always", "IfNotPresent"])
def test_a_tag_whose_digest_is_to_be_written_and_is_unknown_waits_and_no_lower_one_is_offered(word: str) -> None:
    unknown = replace(tag_state("1.2.0"), digest=None)
    present = f"1.0.0@{digest('1.0.0')}"
    plan = _reflecting(word, tag_state("1.0.0"), tag_state("1.1.0"), unknown, staging=present).plan()
    assert plan.proposals == ()
    assert _outcomes(plan, "staging") == [(Standing.WAITING, "1.2.0")]
    assert "not known yet" in _one(plan, "staging", Standing.WAITING).reason
    assert plan.next_look_at == NOW + timedelta(minutes=1)


def test_a_present_tag_whose_digest_is_unknown_keeps_the_digest_that_is_written() -> None:
    unknown = replace(tag_state("1.0.0"), digest=None)
    plan = _reflecting("Always", unknown, staging=f"1.0.0@{_WRITTEN}").plan()
    assert plan.proposals == ()
    assert _outcomes(plan, "staging") == [(Standing.CURRENT, "1.0.0")]


def test_a_moved_tag_waits_for_a_build_of_its_new_digest_and_what_is_open_for_the_old_one_closes() -> None:
    moved = replace(tag_state("1.1.0", report("1.1.0")), digest=_NAMED_NOW)
    plan = replace(app_lane(moved), pulls=(pull(7, "production", "1.1.0"),)).plan()
    assert _outcomes(plan, "production") == [(Standing.WAITING, "1.1.0")]
    assert [(one.number, one.reason) for one in plan.closures] == [(7, "its tag no longer passes the gates")]


def test_a_policy_that_selects_nothing_leaves_the_present_tag_and_closes_what_is_open() -> None:
    lane = replace(app_lane(choice="semver: {range: '>=9.0.0'}"), pulls=(pull(7, "staging", "1.1.0"),))
    plan = lane.plan()
    assert _outcomes(plan, "staging") == [(Standing.CURRENT, "1.0.0")]
    assert [one.number for one in plan.closures] == [7]
