"""The local forge: pull requests inside a bare repository on this machine, merged with git, no server needed."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from app.clients.forges.local.pulls import (
    HEADS,
    Pull,
    Pulls,
    RefMove,
    Remark,
    Snapshot,
    head_ref,
    move_refs,
    state_ref,
)
from app.clients.git.command import GitCommand, GitFailed, checked_branch
from app.clients.git.trees import commit_tree, signature
from app.core.errors import Conflict, NotFound, Refused, Unavailable
from app.core.ports import (
    Capabilities,
    GitMerge,
    PullRequest,
    PullRequestDraft,
    PullRequestSeen,
    PullRequestState,
    Rights,
)

_ATTEMPTS = 20


class UnknownPullRequest(NotFound):
    """A number that no pull request has."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no pull request {number}; `fluxbridge pulls list` shows those that are")
        self.number = number


class CannotOpenPullRequest(Refused):
    """A pull request that would have nothing to merge, or nowhere to go."""

    def __init__(self, draft: PullRequestDraft, why: str) -> None:
        super().__init__(f"no pull request from {draft.head} into {draft.base} can be opened: {why}")
        self.head, self.base = draft.head, draft.base


class PullRequestNotReady(Conflict):
    """The pull request's present state does not allow what was asked."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"pull request {number} {why}")
        self.number = number


class RepositoryBusy(Unavailable):
    """Others kept moving the refs that a change needed, or a lock was left behind."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.name} was changed by others all the while; try again, and look for *.lock files in its refs"
        )


class LocalForge:
    """The pull requests of one bare repository; changes by threads and processes at once lose nothing.

    `account` acts in the methods of the Forge port. Each change is a compare-and-swap, tried anew when another came
    first.
    """

    capabilities = Capabilities()

    def __init__(
        self, path: Path, *, clock: Callable[[], datetime], account: str = "fluxbridge", timeout_s: float = 60
    ) -> None:
        self._git = GitCommand(path, timeout_s, is_shared=True)
        self._pulls = Pulls(self._git)
        self._clock, self._account = clock, account
        self._name = path.name.removesuffix(".git")

    def product(self) -> str:
        """What holds the pull requests. Raises NoLocalRepository."""
        self._snapshot()
        return "a local forge"

    def account(self) -> str:
        """The name under which we act."""
        return self._account

    def rights(self, *, base: str) -> Rights:
        """Whoever may write to the folder may do all, which is how it is meant here."""
        del base
        return Rights()

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        """Pull requests from this branch, in any state, newest first."""
        snapshot = self._snapshot()
        return self._shown(snapshot, (number for number, pull in snapshot.pulls.items() if pull.head == head))

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        """Those from branches below `prefix`/, in any state, that changed last, newest first; `limit` are looked at.

        A push to its branch changes no pull request here.
        """
        snapshot = self._snapshot()
        newest = sorted(snapshot.pulls.items(), key=lambda one: (one[1].last_changed_at, one[0]), reverse=True)
        return [
            PullRequestSeen(number, pull.state, pull.head, snapshot.head_sha(number), pull.base)
            for number, pull in newest[:limit]
            if pull.head.startswith(f"{prefix}/")
        ]

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        """Those that are open from branches below `prefix`/."""
        snapshot = self._snapshot()
        return [
            PullRequestSeen(number, pull.state, pull.head, snapshot.head_sha(number), pull.base)
            for number, pull in snapshot.pulls.items()
            if pull.state is PullRequestState.OPEN and pull.head.startswith(f"{prefix}/")
        ]

    def list_pull_requests(self, *, state: PullRequestState | None = None) -> Sequence[PullRequest]:
        """All pull requests, or those in one state, newest first."""
        snapshot = self._snapshot()
        return self._shown(snapshot, (n for n, pull in snapshot.pulls.items() if state in {None, pull.state}))

    def pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises UnknownPullRequest."""
        snapshot = self._snapshot()
        _pull(snapshot, number)
        return self._show(snapshot, number)

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        """Open it; one that is already open from that head into that base is returned instead.

        Raises CannotOpenPullRequest.
        """
        for _attempt in range(_ATTEMPTS):
            snapshot = self._pulls.snapshot()
            if (present := _open_from(snapshot, draft.head, into=draft.base)) is not None:
                return self._show(snapshot, present)
            # Two that open at once want the same number: one gets it, the other looks again.
            number, pull = snapshot.next_number, self._new_pull(draft)
            head = self._mergeable_head(snapshot, draft)
            moves = (RefMove(state_ref(number), self._pulls.write(pull), None), RefMove(head_ref(number), head, None))
            if move_refs(self._git, *moves):
                return self._show(snapshot.after(number, pull, moves), number)
        raise RepositoryBusy(self._git.path)

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        """Replace title and body; there are no versions of them."""
        del version
        self._change(number, lambda _, pull: pull.model_copy(update={"title": title, "body": body}))

    def comment(self, number: int, text: str) -> None:
        """Say something in the pull request."""
        remark = Remark(by=self._account, at=self._clock(), text=text)
        self._change(number, lambda _, pull: pull.model_copy(update={"comments": (*pull.comments, remark)}))

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        """What we said in the pull request since then, oldest first."""
        return [said.text for said in self.comments(number) if said.by == self._account and said.at >= since]

    def comments(self, number: int) -> Sequence[Remark]:
        """What was said in the pull request, oldest first."""
        return _pull(self._pulls.snapshot(), number).comments

    def close_pull_request(self, number: int) -> PullRequest:
        """Close it as ourselves; closing a closed one changes nothing."""
        return self.close(number, by=self._account)

    def close(self, number: int, *, by: str) -> PullRequest:
        """Close it; one that is closed or merged stays as it is."""
        return self._changed(number, lambda _, pull: self._closed(pull, by))

    def reopen(self, number: int, *, by: str) -> PullRequest:
        """Open a closed one again, saying who did; raises PullRequestNotReady where it has no branch or was merged."""
        remark = Remark(by=by, at=self._clock(), text="Reopened.")

        def reopened(snapshot: Snapshot, pull: Pull) -> Pull:
            if pull.state is PullRequestState.OPEN:
                return pull
            _require_reopenable(snapshot, number)
            changes = {"state": PullRequestState.OPEN, "closed_by": None, "closed_at": None}
            return pull.model_copy(update={**changes, "comments": (*pull.comments, remark)})

        return self._changed(number, reopened)

    def retarget(self, number: int, *, base: str) -> PullRequest:
        """Give it another base branch; one that is not open stays as it is."""
        new = checked_branch(base)

        def moved(_: Snapshot, pull: Pull) -> Pull:
            return pull.model_copy(update={"base": new}) if pull.state is PullRequestState.OPEN else pull

        return self._changed(number, moved)

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """Show as merged what somebody merged with git and pushed, also one that was closed before."""
        changes = {"merged_by": merge.by, "merged_at": merge.at, "merge_commit": merge.commit}

        def merged(_: Snapshot, pull: Pull) -> Pull:
            if pull.state is PullRequestState.MERGED:
                return pull
            return pull.model_copy(update={"state": PullRequestState.MERGED, **changes})

        return self._changed(number, merged)

    def merge(self, number: int, *, by: str) -> PullRequest:
        """Merge it with a merge commit; base and pull request move together. Raises PullRequestNotReady.

        Who moves refs beside others may be told that it failed although it did not: what our own commit merged is done.
        """
        ours: set[str] = set()
        for _attempt in range(_ATTEMPTS):
            snapshot = self._pulls.snapshot()
            if _pull(snapshot, number).merge_commit in ours:
                return self.pull_request(number)
            commit, moves = self._merge_moves(snapshot, number, by, done=ours)
            ours.add(commit)
            if move_refs(self._git, *moves):
                return self.pull_request(number)
        raise RepositoryBusy(self._git.path)

    def diff(self, number: int) -> str:
        """What it changes, or what it changed once it is merged, as git shows it."""
        snapshot = self._pulls.snapshot()
        pull = _pull(snapshot, number)
        span = f"{snapshot.branch(pull.base)}...{snapshot.head_sha(number)}"
        if pull.merge_commit is not None:
            span = f"{pull.merge_commit}^1..{pull.merge_commit}"
        return self._git.run("diff", "--no-ext-diff", "--no-textconv", "--no-color", span, "--").text

    def refs(self) -> Mapping[str, str]:
        """Every branch and every pull request with an id that changes whenever it does."""
        shown = self._git.run("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/fluxbridge").text
        return {name: sha for name, _, sha in (line.partition(" ") for line in shown.splitlines())}

    def _snapshot(self) -> Snapshot:
        """Everything as it is now; whoever deleted the branch of an open one has closed it."""
        snapshot = self._pulls.snapshot()
        lost = [number for number, pull in snapshot.pulls.items() if _is_without_branch(snapshot, pull)]
        for number in lost:
            self._change(number, self._closed_without_branch)
        return self._pulls.snapshot() if lost else snapshot

    def _closed_without_branch(self, snapshot: Snapshot, pull: Pull) -> Pull:
        return self._closed(pull, "unknown") if _is_without_branch(snapshot, pull) else pull

    def _closed(self, pull: Pull, by: str) -> Pull:
        if pull.state is not PullRequestState.OPEN:
            return pull
        return pull.model_copy(update={"state": PullRequestState.CLOSED, "closed_by": by, "closed_at": self._clock()})

    def _change(self, number: int, change: Callable[[Snapshot, Pull], Pull]) -> Snapshot:
        """Change a pull request; returns everything as it is then."""
        for _attempt in range(_ATTEMPTS):
            snapshot = self._pulls.snapshot()
            before = _pull(snapshot, number)
            after = change(snapshot, before)
            if after == before:
                return snapshot
            stamped = after.model_copy(update={"changed_at": self._clock()})
            moves = (self._state_move(snapshot, number, stamped), _head_move(snapshot, number))
            if move_refs(self._git, *moves):
                return snapshot.after(number, stamped, moves)
        raise RepositoryBusy(self._git.path)

    def _changed(self, number: int, change: Callable[[Snapshot, Pull], Pull]) -> PullRequest:
        return self._show(self._change(number, change), number)

    def _merge_moves(
        self, snapshot: Snapshot, number: int, by: str, *, done: Collection[str]
    ) -> tuple[str, list[RefMove]]:
        """The merge commit and all that moves with it; one of `done` that is in the base already is not made again."""
        pull = _pull(snapshot, number)
        head, base = snapshot.branch(pull.head), snapshot.branch(pull.base)
        if pull.state is not PullRequestState.OPEN:
            raise PullRequestNotReady(number, f"is {pull.state}; only an open one can be merged")
        if head is None or base is None:
            raise PullRequestNotReady(number, f"lacks its branch {pull.base if head else pull.head}; push it again")
        now = self._clock()
        commit = base if base in done else self._merge_commit(number, pull, (base, head), (by, now))
        changes = {"state": PullRequestState.MERGED, "merged_by": by, "merged_at": now, "merge_commit": commit}
        merged = pull.model_copy(update={**changes, "changed_at": now})
        return commit, [
            RefMove(f"{HEADS}{pull.base}", commit, base),
            RefMove(f"{HEADS}{pull.head}", head, head),
            self._state_move(snapshot, number, merged),
            RefMove(head_ref(number), head, snapshot.refs[head_ref(number)]),
        ]

    def _merge_commit(self, number: int, pull: Pull, parents: tuple[str, str], by: tuple[str, datetime]) -> str:
        tree = self._merged_tree(*parents)
        if tree is None:
            raise PullRequestNotReady(number, f"conflicts with {pull.base}; update {pull.head} first")
        who, now = by
        message = f"Merge pull request {number} from {pull.head}\n\n{pull.title}"
        return commit_tree(self._git, tree, parents, message=message, by=signature((who, f"{who}@localhost"), now))

    def _merged_tree(self, base: str, head: str) -> str | None:
        """The tree of a merge; None: the two conflict, or have no history in common."""
        try:
            done = self._git.run("merge-tree", "--write-tree", "--name-only", base, head, accept=(0, 1))
        except GitFailed as error:
            if "unrelated histories" in error.words:
                return None
            raise
        return done.text.splitlines()[0] if done.code == 0 else None

    def _state_move(self, snapshot: Snapshot, number: int, pull: Pull) -> RefMove:
        return RefMove(state_ref(number), self._pulls.write(pull), snapshot.refs[state_ref(number)])

    def _new_pull(self, draft: PullRequestDraft) -> Pull:
        return Pull(
            head=checked_branch(draft.head),
            base=checked_branch(draft.base),
            title=draft.title,
            body=draft.body,
            author=self._account,
            opened_at=self._clock(),
            labels=draft.labels,
        )

    def _mergeable_head(self, snapshot: Snapshot, draft: PullRequestDraft) -> str:
        head, base = snapshot.branch(draft.head), snapshot.branch(draft.base)
        if head is None or base is None:
            raise CannotOpenPullRequest(
                draft, f"there is no branch {draft.base if head else draft.head}; push it first"
            )
        if self._git.run("merge-base", "--is-ancestor", head, base, accept=(0, 1)).code == 0:
            raise CannotOpenPullRequest(draft, "the branch holds no commit that the base lacks; push a change first")
        return head

    def _shown(self, snapshot: Snapshot, numbers: Iterable[int]) -> list[PullRequest]:
        return [self._show(snapshot, number) for number in sorted(numbers, reverse=True)]

    def _show(self, snapshot: Snapshot, number: int) -> PullRequest:
        pull, head = snapshot.pulls[number], _head_move(snapshot, number)
        if head.new != head.old:
            # Noted at each look, so that it is known when the branch is gone; one who is faster notes the same.
            move_refs(self._git, head)
        return PullRequest(
            number=number,
            url=f"local:{self._name}/pulls/{number}",
            state=pull.state,
            head=pull.head,
            head_sha=head.new,
            base=pull.base,
            title=pull.title,
            body=pull.body,
            author=pull.author,
            labels=pull.labels,
            has_conflict=self._has_conflict(snapshot, number),
            merge_commit=pull.merge_commit,
            merged_by=pull.merged_by,
            merged_at=pull.merged_at,
            closed_by=pull.closed_by,
            closed_at=pull.closed_at,
        )

    def _has_conflict(self, snapshot: Snapshot, number: int) -> bool | None:
        pull = snapshot.pulls[number]
        base = snapshot.branch(pull.base)
        if pull.state is not PullRequestState.OPEN or base is None:
            return None
        return self._merged_tree(base, snapshot.head_sha(number)) is None


def _pull(snapshot: Snapshot, number: int) -> Pull:
    if number not in snapshot.pulls:
        raise UnknownPullRequest(number)
    return snapshot.pulls[number]


def _open_from(snapshot: Snapshot, head: str, *, into: str) -> int | None:
    wanted = (head, into, PullRequestState.OPEN)
    return next((n for n, pull in snapshot.pulls.items() if (pull.head, pull.base, pull.state) == wanted), None)


def _is_without_branch(snapshot: Snapshot, pull: Pull) -> bool:
    return pull.state is PullRequestState.OPEN and snapshot.branch(pull.head) is None


def _head_move(snapshot: Snapshot, number: int) -> RefMove:
    ref = head_ref(number)
    return RefMove(ref, snapshot.head_sha(number), snapshot.refs[ref])


def _require_reopenable(snapshot: Snapshot, number: int) -> None:
    pull = snapshot.pulls[number]
    if pull.state is PullRequestState.MERGED:
        raise PullRequestNotReady(number, "is merged; open a new one")
    if snapshot.branch(pull.head) is None:
        raise PullRequestNotReady(number, f"lacks its branch {pull.head}; push it again first")
    if (other := _open_from(snapshot, pull.head, into=pull.base)) is not None:
        raise PullRequestNotReady(number, f"gave its branch to pull request {other}; close that one first")
