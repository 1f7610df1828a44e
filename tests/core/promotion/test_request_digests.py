"""What was asked for is written to the letter: the tag in every kind of field, and the digest that it had then."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.manifests.kinds.markers import MarkedField
from app.core.manifests.places import Part
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.plans import Plan
from app.core.promotion.requests import Request
from app.core.promotion.state import LaneState
from app.core.promotion.tags import TagState
from tests.core.promotion.asked import (
    ASKS_NOTHING,
    back,
    closed,
    forward,
    moved,
    outcomes,
    planned,
    said,
    target,
    written,
)
from tests.core.promotion.lanes import NOW, Lane, digest, policy_file, pull, tag_state

IMAGE = "registry.acme.example/team/app"
THEN, NOW_NAMED, OTHER = digest("then"), digest("now named"), digest("another")
REFLECTIONS = ["IfNotPresent", "Always", "Never"]
TAGS = (replace(tag_state("1.1.0"), digest=NOW_NAMED), tag_state("1.2.0"), tag_state("1.3.0"))
BACK = back(target("1.1.0", digest=THEN, ceiling="1.3.0"))


def field(text: str, part: str = "") -> str:
    """A marked value."""
    return f'  value: {text} # {{"$imagepolicy": "flux-system:app{f":{part}" if part else ""}"}}\n'


def lane(reflection: str, *fields: str, request: Request = BACK, tags: tuple[TagState, ...] = TAGS) -> Lane:
    """An app in production with these marked values."""
    interval = "  interval: 10m\n" if reflection == "Always" else ""
    spec = f"spec:\n  digestReflectionPolicy: {reflection}\n{interval}  imageRepositoryRef".encode()
    manifest = "kind: Deployment\nspec:\n" + "".join(
        one.replace("value", f"value{number}") for number, one in enumerate(fields)
    )
    files = {
        "images/app.yaml": policy_file("semver: {range: '>=0.0.1'}").replace(b"spec:\n  imageRepositoryRef", spec),
        "apps/production/app.yaml": manifest.encode(),
        "apps/staging/app.yaml": b"kind: Deployment\n",
    }
    return Lane(files, tags, ASKS_NOTHING, requests=(request,))


def after(found: Plan, state: LaneState) -> LaneState:
    """The state with what was proposed in Git."""
    texts = {change.field: change.new_text for one in found.proposals for change in one.changes}
    policies = []
    for one in state.policies:
        fields = tuple(
            replace(each, field=replace(each.field, marked=replace(each.field.marked, text=texts[each.field])))
            if each.field in texts
            else each
            for each in one.fields
        )
        policies.append(replace(one, fields=fields))
    return replace(state, policies=tuple(policies))


@pytest.mark.parametrize(
    ("reflection", "expected"),
    [
        ("IfNotPresent", f"{IMAGE}:1.1.0@{THEN}"),
        ("Always", f"{IMAGE}:1.1.0@{THEN}"),
        ("Never", f"{IMAGE}:1.1.0"),
    ],
)
def test_a_reference_gets_the_digest_of_then_where_the_policy_writes_any(reflection: str, expected: str) -> None:
    found = lane(reflection, field(f"{IMAGE}:1.3.0")).plan()
    assert written(found) == [expected]
    [one] = found.proposals
    assert (one.moves[0].tag, one.moves[0].digest) == ("1.1.0", THEN)


@pytest.mark.parametrize("reflection", REFLECTIONS)
def test_a_tag_with_its_digest_in_one_text_gets_the_digest_of_then_whatever_the_policy(reflection: str) -> None:
    found = planned(of_part(lane(reflection, field("1.3.0", "tag")).state(), Part.TAG_DIGEST, f"1.3.0@{OTHER}"))
    assert written(found) == [f"1.1.0@{THEN}"]


def of_part(state: LaneState, part: Part, text: str) -> LaneState:
    """The same with one field, of another kind."""
    [policy] = state.policies
    [one] = policy.fields
    assert isinstance(one.field.marked, MarkedField)
    marked = replace(one.field.marked, marker=replace(one.field.marked.marker, part=part), text=text)
    return replace(state, policies=(replace(policy, fields=(replace(one, field=replace(one.field, marked=marked)),)),))


@pytest.mark.parametrize("reflection", ["IfNotPresent", "Always"])
def test_name_tag_and_digest_in_values_of_their_own_are_each_set(reflection: str) -> None:
    fields = (field("registry.acme.example/old", "name"), field("1.3.0", "tag"), field(OTHER, "digest"))
    assert written(lane(reflection, *fields).plan()) == [IMAGE, "1.1.0", THEN]


def test_a_version_of_a_chart_is_written_as_charts_write_it() -> None:
    asked = back(target("1.1.0_up2", ceiling="1.3.0"))
    state = lane("Never", field("1.3.0", "tag"), request=asked, tags=(*TAGS, tag_state("1.1.0_up2"))).state()
    found = planned(of_part(state, Part.VERSION, "1.3.0"))
    assert written(found) == ["1.1.0+up2"]
    assert found.proposals[0].moves[0].downward is not None
    there = planned(of_part(state, Part.VERSION, "1.1.0+up2"))
    assert [one.standing.value for one in outcomes(there)] == ["current"]


@pytest.mark.parametrize("reflection", ["IfNotPresent", "Always"])
def test_back_to_an_earlier_digest_of_the_same_tag(reflection: str) -> None:
    here = lane(reflection, field(f"{IMAGE}:1.1.0@{NOW_NAMED}"))
    assert written(here.plan()) == [f"{IMAGE}:1.1.0@{THEN}"]
    there = lane(reflection, field(f"{IMAGE}:1.1.0@{THEN}"))
    assert (written(there.plan()), [one.standing.value for one in outcomes(there.plan())]) == ([], ["current"])


@pytest.mark.parametrize("reflection", ["IfNotPresent", "Always"])
def test_the_digest_that_was_rolled_back_does_not_return_by_its_own_tag(reflection: str) -> None:
    tags = (replace(tag_state("1.1.0"), digest=NOW_NAMED),)
    held = BACK.hold_on(BACK.targets[0], "h1")
    here = replace(lane(reflection, field(f"{IMAGE}:1.1.0@{THEN}"), tags=tags), requests=(), holds=(held,))
    found = here.plan()
    assert written(found) == []
    pushed_again = replace(tag_state("1.1.0", age=-timedelta(minutes=5)), digest=OTHER)
    assert written(replace(here, tags=(pushed_again,)).plan(after=timedelta(hours=1))) == []
    assert written(replace(here, tags=(*tags, tag_state("1.4.0", age=-timedelta(minutes=5)))).plan()) == [
        f"{IMAGE}:1.4.0@{digest('1.4.0')}"
    ]
    lifted = replace(here, holds=()).plan()
    assert written(lifted) == ([f"{IMAGE}:1.1.0@{NOW_NAMED}"] if reflection == "Always" else [])


def test_the_target_may_return_with_the_digest_that_another_stage_keeps_of_it() -> None:
    held = BACK.hold_on(BACK.targets[0], "h1")
    here = replace(lane("IfNotPresent", field(f"{IMAGE}:1.0.0"), tags=TAGS[:1]), requests=(), holds=(held,))
    kept = f"kind: Deployment\nspec:\n{field(f'{IMAGE}:1.1.0@{THEN}')}".encode()
    assert written(here.plan()) == []
    assert written(replace(here, files={**here.files, "apps/staging/app.yaml": kept}).plan()) == [
        f"{IMAGE}:1.1.0@{THEN}"
    ]


DENIED = Hold(
    id="d1", stage=None, policy=None, tags=None, kind=HoldKind.DENIED, who="mira", why="bad", since=NOW, digest=THEN
)


@pytest.mark.parametrize("reflection", ["IfNotPresent", "Always"])
@pytest.mark.parametrize("denied", [THEN, NOW_NAMED])
def test_a_denied_digest_counts_as_it_would_be_written(reflection: str, denied: str) -> None:
    here = replace(lane(reflection, field(f"{IMAGE}:1.3.0")), holds=(replace(DENIED, digest=denied),))
    own = replace(pull(9, "production", "1.1.0"), request=BACK.id)
    for found in (here.plan(), replace(here, pulls=(own,)).plan()):
        assert (moved(found) == []) == (denied == THEN)
        reasons = [reason for standing, _, reason in said(found) if standing == "refused"]
        assert reasons == ([f"{BACK.asked}; denied: bad, by mira"] if denied == THEN else [])
    assert [number for number, _ in closed(replace(here, pulls=(own,)).plan())] == ([9] if denied == THEN else [])


@pytest.mark.parametrize("reflection", ["IfNotPresent", "Always"])
def test_what_is_open_stays_under_a_freeze_although_the_digest_that_its_tag_names_now_is_denied(
    reflection: str,
) -> None:
    asked = forward(target("1.1.0", digest=THEN))
    freeze = replace(DENIED, id="f1", kind=HoldKind.MANUAL, digest=None)
    own = replace(pull(9, "production", "1.1.0"), request=asked.id)
    here = lane(reflection, field(f"{IMAGE}:1.0.0"), request=asked)
    here = replace(here, holds=(replace(DENIED, digest=NOW_NAMED), freeze), pulls=(own,))
    assert here.plan().closures == ()
    assert [number for number, _ in closed(replace(here, holds=(DENIED, freeze)).plan())] == [9]


def test_a_target_of_another_image_in_the_field_is_written_with_the_policys_image() -> None:
    found = lane("Never", field("registry.acme.example/team/fork:9.9.9")).plan()
    assert written(found) == [f"{IMAGE}:1.1.0"]
    assert found.proposals[0].moves[0].from_image == "registry.acme.example/team/fork"


@pytest.mark.parametrize("reflection", REFLECTIONS)
def test_merging_what_was_asked_for_brings_just_what_was_asked_for(reflection: str) -> None:
    state = lane(reflection, field(f"{IMAGE}:1.3.0")).state()
    merged = planned(after(planned(state), state))
    assert (merged.proposals, [one.standing.value for one in outcomes(merged)]) == ((), ["current"])


def test_a_digest_that_is_to_be_written_and_is_unknown_is_waited_for() -> None:
    unknown = (replace(tag_state("1.1.0"), digest=None), tag_state("1.3.0"))
    found = lane("Always", field(f"{IMAGE}:1.3.0"), request=back(target("1.1.0")), tags=unknown).plan()
    [(standing, tag, reason)] = said(found)
    assert (standing, tag, reason.rpartition("; ")[2]) == (
        "waiting",
        "1.1.0",
        "apps/production/app.yaml:3 wants the digest of 1.1.0, which is not known yet",
    )


def test_fields_that_there_are_none_of_do_not_have_what_was_asked_for() -> None:
    """Where none of a policy's fields can be written nothing is there."""
    state = lane("Never", field(f"{IMAGE}:1.3.0")).state()
    none = [replace(one, fields=(), refused={"production": "sealed"}) for one in state.policies]
    assert [one.standing.value for one in outcomes(planned(replace(state, policies=tuple(none))))] == ["stuck"]
