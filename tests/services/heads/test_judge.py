"""What each policy of a lane chooses, from its stored choice and from all its tags alike."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.policies.selection import CompiledPolicy
from app.core.policies.spec import PolicySpec, SemVer
from app.core.promotion.state import PolicyState
from app.db import builds, catalogue, fields, selections
from app.db.database import Database
from app.db.fields import FieldRow
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.heads.judge import Judge
from app.services.heads.view import HeadView, view_at
from app.services.systems import Systems
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import IMAGE, LANE, NOW, Lane, ListedRegistry, digest

FILES = {"images/app.yaml": policy(), "apps/staging/app.yaml": deployment("1.0.0")}
ALIAS = "registry.internal.example"


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app, whose repository was listed with 1.0.0."""
    return Lane.create(tmp_path, database, FILES)


def view(lane: Lane) -> HeadView:
    """The lane at its head."""
    return view_at(lane.repository, lane.scans, lane.repository.fetch()["main"])


def states(lane: Lane, systems: Systems | None = None) -> tuple[PolicyState, ...]:
    """Every policy at the lane's head, with all its tags; by its stored choice it chooses the same."""
    judge = Judge(database=lane.database, systems=systems or lane.systems, ready=lane.ready, clock=lambda: lane.now)
    seen = view(lane)
    by_stored_choice = judge.by_stored_choice(seen, LANE)
    in_full = judge.in_full(seen, LANE, {str(one.name) for one in seen.tree.policies})
    for left, right in zip(by_stored_choice, in_full, strict=True):
        assert (left.problem, left.waits_for, left.fields) == (right.problem, right.waits_for, right.fields)
        assert _chosen(left) == _chosen(right)
        assert left.tags.items() <= right.tags.items()
    return in_full


def _chosen(one: PolicyState) -> object:
    return None if one.selection is None else (one.selection.tag, one.selection.error, one.selection.is_tie)


def state(lane: Lane, systems: Systems | None = None) -> PolicyState:
    """The only policy at the lane's head."""
    [found] = states(lane, systems)
    return found


def selected(lane: Lane, systems: Systems | None = None) -> str | None:
    selection = state(lane, systems).selection
    assert selection is not None
    return selection.tag


def report(lane: Lane, tag: str, *, number: int = 1, is_ours: bool = False, **told: Any) -> None:
    """A build names a tag with its digest."""
    build = BuildFinished(
        controller="main",
        job="team/app",
        number=number,
        result=BuildResult.SUCCESS,
        artifacts=(Artifact("image", IMAGE, tag, digest(tag)),),
        **told,
    )
    with lane.telling_of(tag) as connection:
        builds.record(connection, build, is_ours=is_ours, source="ci", delivery_id=None, now=NOW)


def test_the_newest_known_tag_is_selected(lane: Lane) -> None:
    lane.push("1.1.0")
    assert (selected(lane), state(lane).waits_for) == ("1.1.0", None)


def test_a_registry_that_is_not_configured_is_waited_for(lane: Lane) -> None:
    found = state(lane, replace(lane.systems, registries={}))
    assert (found.waits_for, found.selection) == ("registry not configured", None)
    assert [one.tag for one in found.fields] == ["1.0.0"]


def test_a_repository_that_was_never_listed_is_waited_for(lane: Lane) -> None:
    other = policy("other", path="team/other")
    lane.config.commit("main", {"images/other.yaml": other, "apps/other.yaml": deployment("2.0.0", name="other")})
    waiting = {one.name.name: one.waits_for for one in states(lane)}
    assert waiting == {"app": None, "other": "catalogue not listed"}


def test_a_policy_that_names_its_registry_by_an_alias_sees_its_tags(lane: Lane) -> None:
    written = policy().replace(IMAGE.registry, ALIAS)
    lane.config.commit("main", {"images/app.yaml": written})
    lane.push("1.1.0")
    assert selected(lane, replace(lane.systems, aliases={ALIAS: IMAGE.registry})) == "1.1.0"


def test_a_policy_that_cannot_be_used_says_why_and_keeps_its_fields(lane: Lane) -> None:
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: 'not a range'}")})
    found = state(lane)
    assert found.problem is not None
    assert "not a range" in found.problem
    assert [one.tag for one in found.fields] == ["1.0.0"]


def test_the_tag_in_git_is_always_a_candidate(lane: Lane) -> None:
    lane.config.commit("main", {"apps/staging/app.yaml": deployment("9.0.0")})
    assert selected(lane) == "9.0.0"
    assert state(lane).tags["9.0.0"].digest is None


def test_a_tag_that_is_gone_is_no_candidate(lane: Lane) -> None:
    lane.push("1.1.0")
    with lane.telling_of("1.1.0") as connection:
        catalogue.note_missing(connection, IMAGE, "1.1.0", is_deleted=True, asked_at=NOW)
    assert selected(lane) == "1.0.0"


BARRED: list[Any] = [
    pytest.param({"is_ours": True}, id="our own branch"),
    pytest.param({"change_id": "17"}, id="a change request"),
]


@pytest.mark.parametrize("told", BARRED)
@pytest.mark.parametrize("order", ["push then build", "build then push"])
def test_a_tag_that_only_such_builds_reported_is_no_candidate_until_another_does(
    lane: Lane, order: str, told: dict[str, Any]
) -> None:
    if order == "push then build":
        lane.push("1.1.0")
        report(lane, "1.1.0", **told)
    else:
        report(lane, "1.1.0", **told)
        lane.push("1.1.0")
    assert selected(lane) == "1.0.0"
    report(lane, "1.1.0", number=2)
    assert selected(lane) == "1.1.0"


def test_a_digest_that_another_build_reported_counts_for_that_build_under_every_tag(lane: Lane) -> None:
    report(lane, "1.1.0", is_ours=True)
    report(lane, "1.1.0-rc.1", number=2)
    with lane.telling_of("1.1.0") as connection:
        catalogue.set_digest(connection, IMAGE, "1.1.0", digest("1.1.0-rc.1"), asked_at=NOW)
    assert selected(lane) == "1.1.0"
    assert [one.number for one in state(lane).tags["1.1.0"].reports] == [1, 2]


def test_a_text_remembers_the_policy_under_which_it_came(lane: Lane) -> None:
    lane.run()
    assert [one.is_same_spec for one in state(lane).fields] == [True]
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: '<1.0.0'}")})
    assert [one.is_same_spec for one in state(lane).fields] == [False]
    lane.config.commit("main", {"apps/staging/app.yaml": deployment("0.9.0")})
    assert [one.is_same_spec for one in state(lane).fields] == [True], "another text has no past"


def test_another_image_is_another_policy(lane: Lane) -> None:
    lane.run()
    lane.config.commit("main", {"images/app.yaml": policy(path="team/renamed")})
    assert [one.is_same_spec for one in state(lane).fields] == [False]


def test_what_another_lane_saw_says_nothing_here(lane: Lane) -> None:
    seen = FieldRow(
        lane="fleet:next",
        stage="all",
        policy=str(state(lane).name),
        image=str(IMAGE),
        file="apps/staging/app.yaml",
        line=7,
        text=f"{IMAGE}:1.0.0",
        tag="1.0.0",
        spec_hash="another",
        commit="c" * 40,
        seen_at=NOW - timedelta(days=1),
    )
    with lane.database.transaction() as connection:
        fields.replace_all(connection, "fleet:next", [seen])
    assert [one.is_same_spec for one in state(lane).fields] == [True]


def test_an_image_that_no_registry_entry_holds_is_not_guessed(lane: Lane) -> None:
    systems = replace(lane.systems, registries={ImageName.parse("nginx").registry: ListedRegistry()})
    assert state(lane, systems).waits_for == "registry not configured"


def stored(lane: Lane) -> dict[str, str | None]:
    """What is kept, by the range of the policy."""
    with lane.database.transaction() as connection:
        rows = selections.of_image(connection, IMAGE)
    return {row.spec: row.stored_choice.tag if row.stored_choice is not None else None for row in rows}


def test_the_choice_is_kept_by_the_first_run_and_moves_with_each_push(lane: Lane) -> None:
    spec = PolicySpec(SemVer(">=1.0.0")).as_json()
    lane.run()
    assert stored(lane) == {spec: "1.0.0"}
    lane.push("1.2.0")
    lane.push("1.1.0")
    assert stored(lane) == {spec: "1.2.0"}


def test_a_policy_that_asks_for_something_else_has_a_choice_of_its_own(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.run()
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: '<1.1.0'}")})
    lane.run()
    assert stored(lane) == {PolicySpec(SemVer("<1.1.0")).as_json(): "1.0.0"}


def test_a_stored_choice_is_read_without_the_other_tags(lane: Lane) -> None:
    for number in range(20):
        lane.push(f"1.1.{number}")
    judge = Judge(database=lane.database, systems=lane.systems, ready=lane.ready, clock=lambda: lane.now)
    [seen] = judge.by_stored_choice(view(lane), LANE)
    assert set(seen.tags) == {"1.0.0", "1.1.19"}


def test_a_choice_that_no_policy_of_its_image_makes_is_dropped_though_another_image_has_it(lane: Lane) -> None:
    other = {"images/other.yaml": policy("other", path="team/other"), "apps/other.yaml": deployment("1.0.0")}
    lane.config.commit("main", other)
    lane.run()
    lane.config.commit("main", {"images/app.yaml": policy(choice="semver: {range: 1.x}")})
    lane.run()
    assert set(stored(lane)) == {PolicySpec(SemVer("1.x")).as_json()}


def test_what_is_told_while_a_choice_is_worked_out_is_not_missed(lane: Lane) -> None:
    """A push between the reading and the keeping: the choice is worked out again."""

    @dataclass(slots=True)
    class Interrupted(ReadyPolicies):
        pushes: int = 1

        def of(self, spec: PolicySpec) -> CompiledPolicy:
            if self.pushes:
                self.pushes -= 1
                lane.push("1.9.0")
            return ReadyPolicies.of(self, spec)

    spec = PolicySpec(SemVer(">=1.0.0"))
    judge = Judge(database=lane.database, systems=lane.systems, ready=Interrupted(), clock=lambda: lane.now)
    judge.evaluate(IMAGE, [spec])
    assert stored(lane) == {spec.as_json(): "1.9.0"}
    endless = Interrupted(pushes=99)
    Judge(database=lane.database, systems=lane.systems, ready=endless, clock=lambda: lane.now).evaluate(
        IMAGE, [PolicySpec(SemVer("1.x"))]
    )
    assert PolicySpec(SemVer("1.x")).as_json() not in stored(lane)
