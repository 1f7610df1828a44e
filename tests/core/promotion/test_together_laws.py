"""Whatever the state of a group that moves as one, what it moves to is one set, of tags that nobody said no to."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from app.core.facts import BuildResult
from tests.core.promotion.asked import back as request_of
from tests.core.promotion.asked import target
from tests.core.promotion.together import Build, Fleet, short

_NAMES = ("api", "web", "db", "job")
# Their order as texts is that of their versions.
_TAGS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0")
_tags = st.sampled_from(_TAGS)
_results = st.sampled_from([BuildResult.SUCCESS, BuildResult.SUCCESS, BuildResult.FAILURE])


@st.composite
def fleets(draw: st.DrawFn, together: str) -> Fleet:
    """Two to four members with tags, builds of some of them, holds, and perhaps something open."""
    names = _NAMES[: draw(st.integers(2, 4))]
    some = st.dictionaries(st.sampled_from(names), _tags, min_size=1)
    numbered = list(enumerate(draw(st.lists(st.tuples(some, _results), max_size=5)), start=1))
    pushed = draw(st.dictionaries(st.sampled_from(names), st.lists(_tags, max_size=4, unique=True)))
    if together == "same-tag":
        pushed = {name: [*pushed.get(name, []), *draw(st.lists(_tags, min_size=2, max_size=4))] for name in names}
    fleet = Fleet(
        {name: draw(st.sampled_from(_TAGS[:2])) for name in names},
        together,
        tags=pushed,
        builds=[Build(number, tags, result) for number, (tags, result) in numbered],
        is_gated=draw(st.booleans()),
    )
    for name, tag in draw(st.lists(st.tuples(st.sampled_from(names), _tags), max_size=2)):
        fleet = fleet.holding(name, tag)
    return fleet.with_open(**draw(some)) if draw(st.booleans()) else fleet


def moves_of(fleet: Fleet) -> Mapping[str, str]:
    """What the group's pull request brings; nothing where there is none."""
    found = fleet.moved()
    assert len(found) <= 1
    event(f"moves {len(found[0]) if found else 0}")
    return found[0] if found else {}


def assert_nobody_is_wronged(fleet: Fleet, moves: Mapping[str, str]) -> None:
    """No member goes back, to a tag that is held or to one below it."""
    for name, tag in moves.items():
        assert tag > fleet.present[name]
        held = [one.tags[0] for one in fleet.holds if one.tags and one.policy == f"flux-system/{name}"]
        known = {one.tag for one in fleet.tags_of(name)}
        assert not any(tag <= one for one in held if one in known)


def assert_opening_it_changes_nothing(fleet: Fleet, moves: Mapping[str, str]) -> None:
    """What is open as planned stays as it is."""
    found = fleet.opened().plan()
    assert [short(one.tags) for one in found.proposals] == ([moves] if moves else [])
    assert found.closures == ()


@given(fleets("same-tag"))
def test_a_group_of_one_tag_moves_to_one_tag_that_all_have_then(fleet: Fleet) -> None:
    moves = moves_of(fleet)
    assert_nobody_is_wronged(fleet, moves)
    assert_opening_it_changes_nothing(fleet, moves)
    assert len(set(moves.values())) <= 1
    if moves:
        assert len(set(fleet.merged().present.values())) == 1
        assert fleet.merged().moved() == []


@given(fleets("same-build"))
def test_a_group_of_one_build_moves_to_what_one_build_published_for_all_that_it_did_publish(fleet: Fleet) -> None:
    moves = moves_of(fleet)
    assert_nobody_is_wronged(fleet, moves)
    assert_opening_it_changes_nothing(fleet, moves)
    if moves:
        common = [one for one in fleet.builds if moves.items() <= one.tags.items()]
        assert any(_is_whole_after(fleet, one, moves) for one in common)


@given(fleets("same-build"))
def test_merging_release_after_release_comes_to_an_end(fleet: Fleet) -> None:
    fleet, steps = replace(fleet, pulls=()), 0
    while fleet.moved():
        fleet, steps = fleet.merged(), steps + 1
        assert steps <= len(fleet.builds)
    event(f"{steps} releases")


@given(fleets("same-tag") | fleets("same-build"), st.sets(st.sampled_from(_NAMES), min_size=1))
def test_a_member_that_was_rolled_back_comes_with_no_set_of_what_was_known_then(fleet: Fleet, names: set[str]) -> None:
    back = {name: target(fleet.present[name], f"flux-system/{name}", ceiling=_TAGS[-1]) for name in fleet.present}
    held = [request_of(back[name], stage="all").hold_on(back[name], f"h{name}") for name in names & back.keys()]
    rolled_back = replace(fleet, holds=(*fleet.holds, *held))
    moves = moves_of(rolled_back)
    assert not names & moves.keys()
    assert_nobody_is_wronged(rolled_back, moves)


@given(fleets("same-tag") | fleets("same-build"), st.sampled_from(_NAMES[:2]), _tags)
def test_a_group_that_moves_as_one_moves_nothing_beside_what_was_asked_of_a_member(
    fleet: Fleet, name: str, tag: str
) -> None:
    asked = request_of(target(tag, f"flux-system/{name}"), stage="all")
    found = replace(fleet, lane=replace(fleet.lane, requests=(asked,))).plan()
    assert {each for one in found.proposals for each in short(one.tags)} <= {name}
    staying = {one.number for one in fleet.pulls} - {one.number for one in found.closures}
    assert not any(one.number in staying and f"flux-system/{name}" in one.tags for one in fleet.pulls)


def _is_whole_after(fleet: Fleet, build: Build, moves: Mapping[str, str]) -> bool:
    """Whether all that a build published is there with these moves, or was there in a later version before."""
    after = {**fleet.present, **moves}
    return all(after[name] >= tag for name, tag in build.tags.items())
