"""Where a rollback without a tag goes: the last good one before, as clusters tell, else as it was merged."""

from app.core.promotion.holds import Hold, HoldKind
from app.db import holds
from app.db.promotions import PromotionState
from app.db.tables import new_id
from app.services.people.request import AskedRequest
from tests.end_to_end.bridge import deployment
from tests.services.lanes import IMAGE, digest
from tests.services.people.asking import People, after


def to(asked: AskedRequest) -> str:
    """The one tag that was asked for."""
    (target,) = asked.targets
    return target.tag


def deny(people: People, tag: str) -> None:
    """Somebody denies a tag everywhere."""
    now = people.lane.now
    denied = Hold(
        id=new_id(now),
        stage=None,
        policy=None,
        tags=(tag,),
        kind=HoldKind.DENIED,
        who="bob",
        why="leaks",
        since=now,
        image=IMAGE,
    )
    with people.lane.database.transaction() as connection:
        holds.add(connection, None, denied)


@after("1.1.0", "1.2.0")
def test_where_no_cluster_tells_it_is_what_was_merged_last(people: People) -> None:
    asked = people.back()
    assert (to(asked), asked.notes, asked.waits_for) == ("1.1.0", [], None)
    assert [(one.old, one.new) for one in asked.changes] == [(f"{IMAGE}:1.2.0", f"{IMAGE}:1.1.0")]
    (target,) = asked.targets
    assert target.takes_back is not None
    assert target.takes_back.startswith("1.2.0 in since 2026-11-21 ")
    assert target.takes_back.endswith("let in by pull request 2, by mira")


@after("1.1.0")
def test_at_first_contact_it_is_what_the_first_promotion_came_from(people: People) -> None:
    assert to(people.back()) == "1.0.0"


def test_where_nothing_was_let_in_there_is_nothing_to_go_back_to(people: People) -> None:
    assert "before 1.0.0 nothing good is known of flux-system/app in all; name a tag with --to" in people.refused()


def test_where_clusters_tell_what_none_of_them_applied_is_passed_over(staged: People) -> None:
    staged.let_in("1.1.0")
    staged.tell("1.1.0")
    staged.let_in("1.2.0", "1.3.0")
    staged.tell("1.3.0")
    asked = staged.back()
    assert (to(asked), asked.notes) == ("1.1.0", ["passed over: 1.2.0: no cluster applied it"])


def test_what_a_cluster_failed_to_apply_is_passed_over(staged: People) -> None:
    for tag, is_failure in (("1.1.0", False), ("1.2.0", True), ("1.3.0", True)):
        staged.let_in(tag)
        staged.tell(tag, is_failure=is_failure)
    asked = staged.back()
    assert to(asked) == "1.1.0"
    assert asked.notes == ["passed over: 1.2.0: no cluster applied it, one failed to"]


def test_what_was_merged_before_any_cluster_told_counts_as_merged(staged: People) -> None:
    staged.let_in("1.1.0", "1.2.0", "1.3.0")
    staged.tell("1.3.0")
    assert to(staged.back()) == "1.2.0"


@after("1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0")
def test_what_is_denied_gone_or_taken_back_is_passed_over(people: People) -> None:
    people.lane.config.commit("main", {"apps/app.yaml": deployment("1.4.0")})
    people.run()
    deny(people, "1.3.0")
    people.delete("1.2.0")
    asked = people.back()
    assert to(asked) == "1.1.0"
    assert [one.partition(": ")[2] for one in asked.notes] == [
        "1.5.0: it was taken back",
        "1.3.0: denied: leaks, by bob",
        "1.2.0: it is gone from the registry",
    ]


@after("1.1.0", "1.2.0", "1.3.0")
def test_the_registry_is_asked_and_what_it_lacks_is_passed_over(people: People) -> None:
    people.lane.registry.gone.add("1.2.0")
    asked = people.back()
    assert to(asked) == "1.1.0"
    assert asked.notes == [f"passed over: 1.2.0: the registry has no {IMAGE}:1.2.0 any more"]


@after("1.1.0", "1.2.0")
def test_where_the_registry_is_silent_what_it_said_last_counts(people: People) -> None:
    people.lane.registry.is_silent = True
    asked = people.back()
    assert to(asked) == "1.1.0"
    [note] = asked.notes
    assert note.startswith("the registry could not be asked for 1.1.0, so what it said last counts: ")


@after("1.1.0", "1.2.0", "1.3.0")
def test_a_tag_that_cannot_be_had_is_refused_with_the_next_good_one_named(people: People) -> None:
    deny(people, "1.2.0")
    words = people.refused(tag="1.2.0")
    assert words.endswith("cannot have 1.2.0 in all: denied: leaks, by bob; the next good one is 1.1.0")
    people.delete("1.1.0")
    words = people.refused(tag="1.1.0")
    assert words.endswith("cannot have 1.1.0 in all: it is gone from the registry; the next good one is 1.0.0")
    people.delete("1.0.0")
    words = people.refused()
    assert "nothing good is known of flux-system/app in all (1.2.0: denied: leaks, by bob; 1.1.0: it is gone" in words


@after("1.1.0", "1.2.0", "1.3.0")
def test_a_second_rollback_goes_further_back_and_never_to_what_was_rolled_back(people: People) -> None:
    for tag in ("1.2.0", "1.1.0", "1.0.0"):
        assert to(people.back()) == tag
        people.opened()
        people.merge()
        assert people.lane.config.text("main", "apps/app.yaml") == deployment(tag)
        assert [one[0] for one in people.held()] == ["rolled back"], "the latest takes the place of those before"
    assert people.states()["1.3.0"] is people.states()["1.2.0"] is PromotionState.REVERTED
    assert people.lane.open_pulls() == []
    assert "nothing to go back to" in people.refused()


@after("1.1.0", "1.2.0")
def test_what_was_tagged_anew_since_is_said(people: People) -> None:
    people.lane.registry.moved["1.1.0"] = digest("other")
    asked = people.back()
    assert asked.notes == [f"1.1.0 names {digest('other')} now, and named {digest('1.1.0')} when it was there"]
