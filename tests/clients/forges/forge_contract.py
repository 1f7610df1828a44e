"""What every forge promises. A forge's tests inherit `ForgeContract` and give a `forge_world` fixture."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from app.core.commits import is_same_commit
from app.core.errors import Conflict, Invalid, NotFound, Refused
from app.core.ports import Forge, PullRequest, PullRequestDraft, PullRequestSeen, PullRequestState

HEAD = "fluxbridge/main/staging/web"


class ForgeWorld(Protocol):
    """A forge over an own repository whose `main` holds `app.yaml`, and the people around it.

    `forge` acts as an account that is none of those given to the methods.
    """

    @property
    def forge(self) -> Forge:
        """The forge under test."""

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        """Commit on top of `branch` (of main where it is new); returns the commit."""

    def head(self, branch: str) -> str | None:
        """The commit of a branch in the repository."""

    def delete_branch(self, branch: str) -> None:
        """Delete a branch in the repository."""

    def merge_as(self, account: str, number: int) -> None:
        """Merge a pull request as somebody else."""

    def close_as(self, account: str, number: int) -> None:
        """Close a pull request as somebody else."""

    def reopen_as(self, account: str, number: int) -> None:
        """Reopen a pull request as somebody else. Raises Refused where the forge has no such thing."""

    def comment_as(self, account: str, number: int, text: str) -> None:
        """Say something in a pull request as somebody else."""


def draft(head: str = HEAD, *, title: str = "web 1.2.0", labels: tuple[str, ...] = ()) -> PullRequestDraft:
    """A pull request into main."""
    return PullRequestDraft(head=head, base="main", title=title, body="Moves web to 1.2.0.", labels=labels)


def opened(world: ForgeWorld, head: str = HEAD) -> PullRequest:
    """Push a branch and open a pull request from it."""
    world.push(head, {f"{head.rsplit('/', 1)[-1]}.yaml": "tag: 1.2.0\n"})
    return world.forge.open_pull_request(draft(head))


def told_closer(world: ForgeWorld, account: str) -> str | None:
    """How a forge tells that this account closed a pull request."""
    return account if world.forge.capabilities.tells_who_closed else None


class ForgeContract:
    """The tests that every forge passes."""

    def test_what_we_may_do_lets_us_propose(self, forge_world: ForgeWorld) -> None:
        rights = forge_world.forge.rights(base="main")
        assert rights.may_push is not False
        assert not rights.is_archived

    def test_an_opened_pull_request_shows_what_was_asked_for(self, forge_world: ForgeWorld) -> None:
        sha = forge_world.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
        shown = forge_world.forge.open_pull_request(draft(labels=("fluxbridge", "staging")))
        assert (shown.head, shown.base) == (HEAD, "main")
        assert is_same_commit(shown.head_sha, sha)
        assert (shown.title, shown.body) == ("web 1.2.0", "Moves web to 1.2.0.")
        has_labels = forge_world.forge.capabilities.has_labels
        assert set(shown.labels) == ({"fluxbridge", "staging"} if has_labels else set())
        assert shown.state is PullRequestState.OPEN
        assert shown.author == forge_world.forge.account()
        assert shown.url
        assert not shown.is_from_fork

    def test_opening_twice_gives_the_one_that_is_open(self, forge_world: ForgeWorld) -> None:
        first = opened(forge_world)
        again = forge_world.forge.open_pull_request(draft(title="again"))
        may_update = forge_world.forge.capabilities.opening_may_update
        assert again.number == first.number
        assert again.title in {first.title, *(["again"] if may_update else [])}

    def test_a_pull_request_needs_a_branch(self, forge_world: ForgeWorld) -> None:
        with pytest.raises((Invalid, Refused)):
            forge_world.forge.open_pull_request(draft("fluxbridge/main/staging/absent"))

    def test_a_pull_request_needs_a_difference(self, forge_world: ForgeWorld) -> None:
        with pytest.raises((Invalid, Refused)):
            forge_world.forge.open_pull_request(draft("main"))

    def test_pull_requests_are_found_by_head_in_any_state_newest_first(self, forge_world: ForgeWorld) -> None:
        first = opened(forge_world)
        other = opened(forge_world, "fluxbridge/main/staging/other")
        forge_world.close_as("alice", first.number)
        second = forge_world.forge.open_pull_request(draft())
        found = forge_world.forge.find_pull_requests(head=HEAD)
        assert [each.number for each in found] == [second.number, first.number]
        assert [each.state for each in found] == [PullRequestState.OPEN, PullRequestState.CLOSED]
        assert other.number not in {each.number for each in found}

    def test_a_branch_without_pull_requests_finds_none(self, forge_world: ForgeWorld) -> None:
        assert list(forge_world.forge.find_pull_requests(head="fluxbridge/main/staging/absent")) == []

    def test_recent_ones_are_those_of_the_prefix_in_any_state_last_changed_first(self, forge_world: ForgeWorld) -> None:
        names = [f"fluxbridge/main/staging/{name}" for name in ("a", "b", "c")]
        closed, merged, still_open = (opened(forge_world, name) for name in names)
        for foreign in ("fix/typo", "fluxbridge-b", "fluxbridge2/main/staging/a"):
            opened(forge_world, foreign)
        forge_world.merge_as("alice", merged.number)
        forge_world.close_as("alice", closed.number)
        assert list(forge_world.forge.recent_pull_requests(prefix="fluxbridge", limit=50)) == [
            PullRequestSeen(closed.number, PullRequestState.CLOSED, names[0], closed.head_sha, "main"),
            PullRequestSeen(merged.number, PullRequestState.MERGED, names[1], merged.head_sha, "main"),
            PullRequestSeen(still_open.number, PullRequestState.OPEN, names[2], still_open.head_sha, "main"),
        ]

    def test_recent_ones_show_the_head_that_was_pushed_last(self, forge_world: ForgeWorld) -> None:
        opened(forge_world)
        sha = forge_world.push(HEAD, {"app.yaml": "tag: 1.3.0\n"})
        [shown] = forge_world.forge.recent_pull_requests(prefix="fluxbridge", limit=1)
        assert is_same_commit(shown.head_sha, sha)

    def test_an_edit_and_a_comment_make_one_recent(self, forge_world: ForgeWorld) -> None:
        names = [f"fluxbridge/main/staging/{name}" for name in ("a", "b", "c")]
        first, second, third = (opened(forge_world, name).number for name in names)
        forge_world.forge.edit_pull_request(second, title="Newer", body="")
        forge_world.forge.comment(first, "A newer tag waits.")
        recent = forge_world.forge.recent_pull_requests(prefix="fluxbridge", limit=50)
        assert [each.number for each in recent] == [first, second, third]

    def test_of_recent_ones_no_more_are_looked_at_than_wanted_whosever_they_are(self, forge_world: ForgeWorld) -> None:
        older, newer = (opened(forge_world, f"fluxbridge/main/staging/{name}").number for name in ("a", "b"))
        opened(forge_world, "fix/typo")
        for limit, numbers in ((1, []), (2, [newer]), (3, [newer, older])):
            recent = forge_world.forge.recent_pull_requests(prefix="fluxbridge", limit=limit)
            assert [each.number for each in recent] == numbers

    def test_open_ones_are_those_of_the_prefix_that_nobody_merged_or_closed(self, forge_world: ForgeWorld) -> None:
        names = [f"fluxbridge/main/staging/{name}" for name in ("a", "b", "c", "d")]
        closed, merged, first, second = (opened(forge_world, name) for name in names)
        for foreign in ("fix/typo", "fluxbridge-b"):
            opened(forge_world, foreign)
        forge_world.merge_as("alice", merged.number)
        forge_world.close_as("alice", closed.number)
        moved = forge_world.push(names[2], {"app.yaml": "tag: 1.3.0\n"})
        one, other = sorted(forge_world.forge.open_pull_requests(prefix="fluxbridge"), key=lambda each: each.number)
        assert one == PullRequestSeen(first.number, PullRequestState.OPEN, names[2], one.head_sha, "main")
        assert is_same_commit(one.head_sha, moved)
        assert other == second.seen

    def test_an_unknown_number_is_not_found(self, forge_world: ForgeWorld) -> None:
        with pytest.raises(NotFound):
            forge_world.forge.pull_request(4711)

    def test_a_push_to_the_branch_moves_the_head(self, forge_world: ForgeWorld) -> None:
        number = opened(forge_world).number
        sha = forge_world.push(HEAD, {"app.yaml": "tag: 1.3.0\n"})
        assert is_same_commit(forge_world.forge.pull_request(number).head_sha, sha)

    def test_an_edit_of_what_somebody_changed_since_is_refused_where_versions_are_told(
        self, forge_world: ForgeWorld
    ) -> None:
        before = opened(forge_world)
        assert (before.version is not None) == forge_world.forge.capabilities.edits_need_version
        edit = forge_world.forge.edit_pull_request
        edit(before.number, title="web 1.3.0", body="Newer.", version=before.version)
        if before.version is not None:
            with pytest.raises(Conflict):
                edit(before.number, title="web 1.4.0", body="Newest.", version=before.version)
            assert forge_world.forge.pull_request(before.number).title == "web 1.3.0"
            edit(before.number, title="web 1.4.0", body="Newest.")
            assert forge_world.forge.pull_request(before.number).title == "web 1.4.0"

    def test_editing_replaces_title_and_body(self, forge_world: ForgeWorld) -> None:
        number = opened(forge_world).number
        forge_world.forge.edit_pull_request(number, title="web 1.3.0", body="Newer.")
        shown = forge_world.forge.pull_request(number)
        assert (shown.title, shown.body) == ("web 1.3.0", "Newer.")

    def test_a_comment_changes_nothing_else(self, forge_world: ForgeWorld) -> None:
        number = opened(forge_world).number
        forge_world.forge.comment(number, "A newer tag waits.")
        assert forge_world.forge.pull_request(number).state is PullRequestState.OPEN

    def test_own_comments_are_those_that_we_made_as_they_were_given_oldest_first(self, forge_world: ForgeWorld) -> None:
        number, other = opened(forge_world).number, opened(forge_world, f"{HEAD}-2").number
        began = datetime(2026, 1, 1, tzinfo=UTC)
        said = ["Closed by us. ✓\n\n<!-- fluxbridge:1 -->", "Once more.\n\n<!-- fluxbridge:2 -->"]
        for text in said:
            forge_world.forge.comment(number, text)
        forge_world.comment_as("alice", number, said[0])
        assert list(forge_world.forge.own_comments(number, since=began)) == said
        assert list(forge_world.forge.own_comments(other, since=began)) == []
        assert list(forge_world.forge.own_comments(number, since=datetime.now(UTC) + timedelta(days=1))) == []

    def test_own_comments_of_an_unknown_number_are_not_found(self, forge_world: ForgeWorld) -> None:
        with pytest.raises(NotFound):
            forge_world.forge.own_comments(4711, since=datetime(2026, 1, 1, tzinfo=UTC))

    def test_closing_says_that_it_was_us(self, forge_world: ForgeWorld) -> None:
        number = opened(forge_world).number
        forge_world.forge.close_pull_request(number)
        shown = forge_world.forge.pull_request(number)
        assert shown.state is PullRequestState.CLOSED
        assert shown.closed_by == told_closer(forge_world, forge_world.forge.account())
        assert shown.closed_at is not None

    def test_closing_a_closed_one_changes_nothing(self, forge_world: ForgeWorld) -> None:
        number = opened(forge_world).number
        forge_world.close_as("alice", number)
        assert forge_world.forge.close_pull_request(number).state is PullRequestState.CLOSED
        assert forge_world.forge.pull_request(number).closed_by == told_closer(forge_world, "alice")

    def test_a_close_by_somebody_else_names_them(self, forge_world: ForgeWorld) -> None:
        before = opened(forge_world)
        forge_world.close_as("alice", before.number)
        shown = forge_world.forge.pull_request(before.number)
        assert (shown.state, shown.closed_by) == (PullRequestState.CLOSED, told_closer(forge_world, "alice"))
        assert shown.head_sha == before.head_sha
        assert shown.merged_by is None

    def test_a_reopened_one_is_open_again_where_that_can_be_done(self, forge_world: ForgeWorld) -> None:
        number = opened(forge_world).number
        forge_world.close_as("alice", number)
        if forge_world.forge.capabilities.can_reopen:
            forge_world.reopen_as("alice", number)
            expected = PullRequestState.OPEN
        else:
            with pytest.raises(Refused):
                forge_world.reopen_as("alice", number)
            expected = PullRequestState.CLOSED
        assert forge_world.forge.pull_request(number).state is expected
        is_listed = number in {one.number for one in forge_world.forge.open_pull_requests(prefix="fluxbridge")}
        assert is_listed == (expected is PullRequestState.OPEN)

    def test_a_merge_names_who_when_and_which_commit(self, forge_world: ForgeWorld) -> None:
        before = opened(forge_world)
        forge_world.merge_as("alice", before.number)
        shown = forge_world.forge.pull_request(before.number)
        assert (shown.state, shown.merged_by) == (PullRequestState.MERGED, "alice")
        assert is_same_commit(shown.merge_commit or "", forge_world.head("main") or "no commit")
        assert shown.merged_at is not None
        assert shown.merged_at.tzinfo is not None

    def test_a_merged_one_keeps_its_head_when_the_branch_is_gone(self, forge_world: ForgeWorld) -> None:
        before = opened(forge_world)
        forge_world.merge_as("alice", before.number)
        forge_world.delete_branch(HEAD)
        shown = forge_world.forge.pull_request(before.number)
        assert (shown.state, shown.head, shown.head_sha) == (PullRequestState.MERGED, HEAD, before.head_sha)
        assert [each.number for each in forge_world.forge.find_pull_requests(head=HEAD)] == [before.number]

    def test_a_branch_that_fits_has_no_conflict(self, forge_world: ForgeWorld) -> None:
        number = opened(forge_world).number
        assert forge_world.forge.pull_request(number).has_conflict in {False, None}

    def test_the_same_line_changed_on_both_sides_is_a_conflict(self, forge_world: ForgeWorld) -> None:
        forge_world.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
        number = forge_world.forge.open_pull_request(draft()).number
        forge_world.push("main", {"app.yaml": "tag: 9.9.9\n"})
        assert forge_world.forge.pull_request(number).has_conflict in {True, None}
