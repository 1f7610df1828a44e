"""The pull requests of one repository on a forge of ours, over real branches, merged with git."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from tests.servers.bare_repository import BareRepository

NOWHERE = "0" * 40

MergeMethod = Literal["merge", "squash", "rebase", "fast-forward"]
Reason = Literal["not found", "no head", "no base", "no difference", "open already", "merged already", "not mergeable"]


class Declined(Exception):
    """What was asked cannot be done; each forge says so in its own way. `other` is one that is open already."""

    def __init__(self, reason: Reason, other: "Pull | None" = None) -> None:
        super().__init__(reason)
        self.reason, self.other = reason, other


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody said in a pull request; `number` counts over the whole repository."""

    number: int
    by: str
    text: str
    at: datetime


@dataclass(slots=True)
class Review:
    """A review; `state` is REST's: APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED."""

    by: str
    state: str
    commit: str
    association: str
    at: datetime


@dataclass(slots=True, kw_only=True)
class Pull:
    """A pull request. `fork_of` is who owns the fork that its head lies in; None: the base repository.

    `kept_sha` is the head that has a ref of its own by now. `changes` counts over the whole repository: it says which
    of two changed last, where `updated_at` has whole seconds only.
    """

    number: int
    head: str
    base: str
    title: str
    body: str | None
    author: str
    created_at: datetime
    updated_at: datetime
    head_sha: str
    changes: int = 0
    kept_sha: str | None = None
    fork_of: str | None = None
    is_open: bool = True
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    auto_merge_by: str | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None
    merged_by: str | None = None
    merged_at: datetime | None = None
    merge_commit: str | None = None

    @property
    def head_ref(self) -> str:
        return f"refs/forks/{self.fork_of}/{self.head}" if self.fork_of else f"refs/heads/{self.head}"


@dataclass(frozen=True, slots=True)
class PullEvent:
    """What webhooks tell of a pull request."""

    action: str
    pull: Pull
    by: str


@dataclass(frozen=True, slots=True)
class PushEvent:
    """A branch that moved; forty zeros stand for a branch that is not there."""

    branch: str
    before: str
    after: str
    by: str


class PullRequests:
    """Every pull request by its number, and what people do to them. All methods are safe between threads.

    Forges differ in whether they open one without a difference (`takes_empty`) and take a merge by git for one.
    """

    takes_empty = False
    sees_merges_by_git = True

    def __init__(self, repository: BareRepository, owner: str, tell: Callable[[PullEvent | PushEvent], None]) -> None:
        self.repository, self.owner, self._tell = repository, owner, tell
        self._pulls: dict[int, Pull] = {}
        self._changes = self._comments = 0
        self._lock = threading.RLock()

    def find(self, number: int) -> Pull:
        with self._lock:
            if number not in self._pulls:
                raise Declined("not found")
            return self._refreshed(self._pulls[number])

    def every(self) -> list[Pull]:
        """All of them, newest first."""
        with self._lock:
            return [self._refreshed(pull) for _, pull in sorted(self._pulls.items(), reverse=True)]

    def comment(self, number: int, text: str, *, by: str) -> Pull:
        with self._lock:
            pull = self.find(number)
            self._comments += 1
            pull.comments.append(Comment(self._comments, by, text, _now()))
            self.touch(pull)
            return pull

    def touch(self, pull: Pull) -> None:
        """Note that something was done to it, which is when lists sorted by that show it first."""
        with self._lock:
            self._changes += 1
            pull.changes, pull.updated_at = self._changes, _now()

    def open(self, *, head: str, base: str, title: str, body: str | None, by: str, fork_of: str | None = None) -> Pull:
        with self._lock:
            pull = Pull(
                number=len(self._pulls) + 1,
                head=head,
                base=base,
                title=title,
                body=body,
                author=by,
                created_at=_now(),
                updated_at=_now(),
                head_sha=NOWHERE,
                fork_of=fork_of,
            )
            pull.head_sha = self._require_openable(pull)
            self._pulls[pull.number] = self._refreshed(pull)
            self._announce("opened", pull, by)
            return pull

    def edit(self, number: int, *, title: str, body: str | None, by: str) -> None:
        with self._lock:
            pull = self.find(number)
            pull.title, pull.body = title, body
            self._announce("edited", pull, by)

    def retarget(self, number: int, base: str, *, by: str) -> None:
        """Give it another base branch, which must be there."""
        with self._lock:
            pull = self.find(number)
            self._require_branch(base)
            pull.base = base
            self._announce("edited", pull, by)

    def close(self, number: int, *, by: str) -> None:
        """Close it; one that is not open stays as it is."""
        with self._lock:
            pull = self.find(number)
            if pull.is_open:
                pull.is_open, pull.closed_by, pull.closed_at = False, by, _now()
                self._announce("closed", pull, by)

    def reopen(self, number: int, *, by: str) -> None:
        with self._lock:
            pull = self.find(number)
            if pull.is_open:
                return
            if pull.merged_at is not None:
                raise Declined("merged already")
            pull.head_sha = self._require_openable(pull)
            pull.is_open, pull.closed_by, pull.closed_at = True, None, None
            self._announce("reopened", pull, by)

    def review(self, number: int, state: str, *, by: str, association: str) -> None:
        with self._lock:
            pull = self.find(number)
            pull.reviews.append(Review(by, state, pull.head_sha, association, _now()))
            self.touch(pull)

    def merge(self, number: int, *, by: str, method: MergeMethod) -> str:
        """Merge it with git and return the commit on the base branch."""
        with self._lock:
            pull = self.find(number)
            tree = self._merged_tree(pull)
            if not pull.is_open or tree is None:
                raise Declined("not mergeable")
            base = self._require_branch(pull.base)
            commit = self._merged_commit(pull, tree, base, method)
            self.repository.git("update-ref", f"refs/heads/{pull.base}", commit, base)
            self._note_merge(pull, commit, by)
            self.moved(PushEvent(pull.base, base, commit, by))
            return commit

    def _merged_commit(self, pull: Pull, tree: str, base: str, method: MergeMethod) -> str:
        """What the base branch is to be at: a merge, a squash, or the head's one commit on top or as it is."""
        if method == "fast-forward" and not self._contains(pull.head_sha, base):
            raise Declined("not mergeable")
        if method == "fast-forward" or (method == "rebase" and self._contains(pull.head_sha, base)):
            return pull.head_sha
        source = f"{pull.fork_of or self.owner}/{pull.head}"
        message = {
            "merge": f"Merge pull request #{pull.number} from {source}\n\n{pull.title}\n",
            "squash": f"{pull.title} (#{pull.number})\n",
            "rebase": self.repository.git("log", "-1", "--format=%B", pull.head_sha).decode(),
        }[method]
        parents = [base, pull.head_sha] if method == "merge" else [base]
        given = [text for parent in parents for text in ("-p", parent)]
        return self.repository.git("commit-tree", tree, *given, stdin=message.encode()).decode().strip()

    def moved(self, push: PushEvent) -> None:
        """Draw a forge's conclusions from a branch that moved, was made or was deleted."""
        with self._lock:
            self._tell(push)
            for pull in self._pulls.values():
                is_into_it = self.sees_merges_by_git and pull.is_open and pull.base == push.branch
                if is_into_it and self._contains(push.after, pull.head_sha):
                    self._note_merge(pull, push.after, push.by)
                elif pull.is_open and pull.head == push.branch and pull.fork_of is None:
                    self._head_moved(pull, push)

    def is_mergeable(self, pull: Pull) -> bool | None:
        """Tell whether it fits its base; None once it is closed."""
        return self._merged_tree(pull) is not None if pull.is_open else None

    def _announce(self, action: str, pull: Pull, by: str) -> None:
        self.touch(pull)
        self._tell(PullEvent(action, pull, by))

    def _head_moved(self, pull: Pull, push: PushEvent) -> None:
        if push.after == NOWHERE:
            self.close(pull.number, by=push.by)
        elif push.before != NOWHERE:
            self._announce("synchronize", self._refreshed(pull), push.by)

    def _note_merge(self, pull: Pull, commit: str, by: str) -> None:
        pull.is_open = False
        pull.merged_by = pull.closed_by = by
        pull.merged_at = pull.closed_at = _now()
        pull.merge_commit = commit
        self._announce("closed", pull, by)

    def _refreshed(self, pull: Pull) -> Pull:
        """Follow the branch while it is open; a deleted or closed one keeps its last head, under a ref of its own."""
        tip = self._tip(pull.head_ref) if pull.is_open else None
        if tip not in {None, pull.kept_sha}:
            pull.head_sha = pull.kept_sha = tip
            self.repository.git("update-ref", f"refs/pull/{pull.number}/head", tip)
        return pull

    def _require_openable(self, pull: Pull) -> str:
        """Return the head's commit. Raises Declined where there is nothing to merge or it is open already."""
        head = self._tip(pull.head_ref)
        if head is None:
            raise Declined("no head")
        base = self._tip(f"refs/heads/{pull.base}")
        if base is None:
            raise Declined("no base")
        if not self.takes_empty and self._contains(base, head):
            raise Declined("no difference")
        other = next((one for one in self._pulls.values() if one.is_open and _is_same_way(one, pull)), None)
        if other is not None:
            raise Declined("open already", other)
        return head

    def _require_branch(self, branch: str) -> str:
        tip = self._tip(f"refs/heads/{branch}")
        if tip is None:
            raise Declined("no base")
        return tip

    def _merged_tree(self, pull: Pull) -> str | None:
        try:
            merged = self.repository.git("merge-tree", "--write-tree", f"refs/heads/{pull.base}", pull.head_sha)
        except AssertionError:
            return None
        return merged.decode().split("\n", 1)[0]

    def _contains(self, commit: str, other: str) -> bool:
        if commit == NOWHERE:
            return False
        return not self.repository.git("rev-list", "--max-count=1", other, f"^{commit}").strip()

    def _tip(self, ref: str) -> str | None:
        return self.repository.git("for-each-ref", "--format=%(objectname)", ref).decode().strip() or None


def _is_same_way(one: Pull, other: Pull) -> bool:
    return (one.head_ref, one.base) == (other.head_ref, other.base)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
