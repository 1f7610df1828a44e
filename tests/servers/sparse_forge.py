"""A forge in memory, over a real repository, that lacks what a forge can lack.

It tells nobody who closed a pull request, cuts commits short to twelve digits, has no labels, reopens nothing, gives
one that is open the title and body of whoever asks to open it again, and refuses edits of an outdated version.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.core.errors import Conflict, NotFound, Refused
from app.core.ports import (
    Capabilities,
    GitMerge,
    PullRequest,
    PullRequestDraft,
    PullRequestSeen,
    PullRequestState,
    Rights,
)
from tests.servers.bare_repository import BareRepository

OPEN, CLOSED, MERGED = PullRequestState.OPEN, PullRequestState.CLOSED, PullRequestState.MERGED
BOT = "fluxbridge-bot"


class OutdatedVersion(Conflict):
    """Somebody else changed it since."""


@dataclass(frozen=True, slots=True)
class Comment:
    """What was said in a pull request."""

    number: int
    text: str
    by: str
    at: datetime


@dataclass(slots=True)
class SparseForge:
    """The pull requests, by number; `changes` counts what was done to any of them."""

    repository: BareRepository
    clock: Callable[[], datetime]
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    touched: dict[int, int] = field(default_factory=dict)
    changes: int = 0

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            tells_who_closed=False, can_reopen=False, has_labels=False, opening_may_update=True, edits_need_version=True
        )

    def product(self) -> str:
        return "a sparse forge"

    def rights(self, *, base: str) -> Rights:
        del base
        return Rights()

    def account(self) -> str:
        return BOT

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        return [self._shown(one) for one in sorted(self.pulls, reverse=True) if self.pulls[one].head == head]

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        newest = sorted(self.pulls, key=lambda number: self.touched[number], reverse=True)[:limit]
        return [one.seen for one in map(self._shown, newest) if one.head.startswith(f"{prefix}/")]

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        shown = map(self._shown, self.pulls)
        return [one.seen for one in shown if one.state is OPEN and one.head.startswith(f"{prefix}/")]

    def pull_request(self, number: int) -> PullRequest:
        if number not in self.pulls:
            raise NotFound(f"there is no pull request {number}")
        return self._shown(number)

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        head, base = self.repository.head(draft.head), self.repository.head(draft.base)
        if head is None or base is None or head == base:
            raise Refused(f"nothing to merge from {draft.head}")
        for number, one in self.pulls.items():
            if (one.state, one.head, one.base) == (OPEN, draft.head, draft.base):
                return self._change(number, title=draft.title, body=draft.body)
        number = len(self.pulls) + 1
        self.pulls[number] = PullRequest(
            number=number,
            url=f"https://forge.acme.example/pulls/{number}",
            state=OPEN,
            head=draft.head,
            head_sha=head,
            base=draft.base,
            title=draft.title,
            body=draft.body,
            author=BOT,
        )
        return self._change(number)

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        if version not in {None, self.pull_request(number).version}:
            raise OutdatedVersion(f"pull request {number} was changed since version {version}")
        self._change(number, title=title, body=body)

    def comment(self, number: int, text: str) -> None:
        self.say(number, text, by=BOT)

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        self.pull_request(number)
        return [one.text for one in self.comments if (one.number, one.by) == (number, BOT) and one.at >= since]

    def say(self, number: int, text: str, *, by: str) -> None:
        """Comment on it as anybody."""
        self.comments.append(Comment(number, text, by, self.clock()))
        self._change(number)

    def close_pull_request(self, number: int) -> PullRequest:
        return self.close(number)

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """It sees by itself that a head came into its base, a moment later."""
        del merge
        return self.pull_request(number)

    def close(self, number: int) -> PullRequest:
        """Close it, whoever does: nobody will know."""
        if self.pull_request(number).state is not OPEN:
            return self._shown(number)
        return self._change(number, state=CLOSED, closed_at=self.clock())

    def merge(self, number: int, *, by: str) -> None:
        """Merge it with a merge commit."""
        one = self.pull_request(number)
        base, head = self.repository.head(one.base) or "", self.repository.head(one.head) or ""
        tree = self.repository.git("merge-tree", "--write-tree", base, head).decode().split()[0]
        parents = ("-p", base, "-p", head)
        merged = self.repository.git("commit-tree", tree, *parents, stdin=b"Merge\n").decode().strip()
        self.repository.git("update-ref", f"refs/heads/{one.base}", merged)
        self._change(number, state=MERGED, merge_commit=merged, merged_by=by, merged_at=self.clock())

    def _change(self, number: int, **changes: object) -> PullRequest:
        self.changes += 1
        self.touched[number] = self.changes
        before = self.pulls[number]
        head = self.repository.head(before.head) if before.state is OPEN else None
        self.pulls[number] = replace(before, head_sha=head or before.head_sha, **changes)  # type: ignore[arg-type]
        return self._shown(number)

    def _shown(self, number: int) -> PullRequest:
        one = self.pulls[number]
        head = self.repository.head(one.head) if one.state is OPEN else None
        return replace(
            one,
            head_sha=(head or one.head_sha)[:12],
            merge_commit=one.merge_commit[:12] if one.merge_commit is not None else None,
            version=str(self.touched[number]),
        )


@dataclass(frozen=True, slots=True)
class SparseWorld:
    """The forge and the people around it, whose names it forgets."""

    repository: BareRepository
    forge: SparseForge

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        return self.repository.commit(branch, files)

    def head(self, branch: str) -> str | None:
        return self.repository.head(branch)

    def delete_branch(self, branch: str) -> None:
        self.repository.delete_branch(branch)

    def merge_as(self, account: str, number: int) -> None:
        self.forge.merge(number, by=account)

    def close_as(self, account: str, number: int) -> None:
        del account
        self.forge.close(number)

    def comment_as(self, account: str, number: int, text: str) -> None:
        self.forge.say(number, text, by=account)

    def reopen_as(self, account: str, number: int) -> None:
        raise Refused(f"{account} cannot reopen pull request {number}: open a new one")
