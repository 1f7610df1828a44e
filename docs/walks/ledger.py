"""A ledger: pull requests in one JSON file in the folder of a bare repository, for whoever may write there."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from app.clients.git.command import GitCommand
from app.core.errors import NotFound, Refused
from app.core.ports import (
    Capabilities,
    GitMerge,
    PullRequest,
    PullRequestDraft,
    PullRequestSeen,
    PullRequestState,
    Rights,
)

OPEN, CLOSED, MERGED = PullRequestState.OPEN, PullRequestState.CLOSED, PullRequestState.MERGED


class UnknownPullRequest(NotFound):
    """A number that no pull request has."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the ledger has no pull request {number}")


class CannotOpenPullRequest(Refused):
    """A pull request that would have nothing to merge, or nowhere to go."""

    def __init__(self, draft: PullRequestDraft) -> None:
        super().__init__(
            f"{draft.head} holds nothing that {draft.base} lacks, or one of them is not there; push it first"
        )


class LedgerUnusable(Refused):
    """The file cannot be read or written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"the ledger {path} cannot be used: {why}; mend it, and see who may write in its folder")


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment."""

    by: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A pull request and what was said in it."""

    pull: PullRequest
    remarks: tuple[Remark, ...] = ()


_ENTRIES = TypeAdapter(dict[int, Entry])


class Ledger:
    """The pull requests of one bare repository by number; the entry that changed last stands last."""

    capabilities = Capabilities()

    def __init__(self, folder: Path, *, clock: Callable[[], datetime], account: str = "fluxbridge") -> None:
        self._git, self._path = GitCommand(folder, timeout_s=60), folder / "pulls.json"
        self._clock, self._account = clock, account

    def product(self) -> str:
        """What it is."""
        self._shown()
        return "a ledger"

    def account(self) -> str:
        """The name under which we act."""
        return self._account

    def rights(self, *, base: str) -> Rights:
        """Whoever may write to the folder may do all, which is how it is meant here."""
        del base
        return Rights()

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        """Those from this branch, newest first."""
        return sorted((one for one in self._shown() if one.head == head), key=lambda one: one.number, reverse=True)

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        """Those below the prefix that changed last, newest first; a push to a branch changes none."""
        return [one.seen for one in self._shown()[::-1][:limit] if one.head.startswith(f"{prefix}/")]

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        """Those below the prefix that are open."""
        return [one.seen for one in self._shown() if one.state is OPEN and one.head.startswith(f"{prefix}/")]

    def pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises UnknownPullRequest."""
        return _with_head(_entry(self._read(), number).pull, self._heads())

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        """Open it, or return the one that is open. Raises CannotOpenPullRequest."""
        with self._writing() as entries:
            for one in self._shown(entries):
                if (one.state, one.head, one.base) == (OPEN, draft.head, draft.base):
                    return one
            number = len(entries) + 1
            entries[number] = Entry(
                PullRequest(
                    number=number,
                    url=f"{self._path}#{number}",
                    state=OPEN,
                    head=draft.head,
                    head_sha=self._mergeable_head(draft),
                    base=draft.base,
                    title=draft.title,
                    body=draft.body,
                    author=self._account,
                    labels=draft.labels,
                )
            )
            return entries[number].pull

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        """Replace title and body; there are no versions of them."""
        del version
        self.change(number, lambda pull: replace(pull, title=title, body=body))

    def comment(self, number: int, text: str) -> None:
        """Say something in the pull request."""
        self.change(number, lambda pull: pull, Remark(self._account, self._clock(), text))

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        """What we said in it since then, oldest first."""
        remarks = _entry(self._read(), number).remarks
        return [one.text for one in remarks if one.by == self._account and one.at >= since]

    def close_pull_request(self, number: int) -> PullRequest:
        """Close it as ourselves."""
        return self.close(number, by=self._account)

    def close(self, number: int, *, by: str) -> PullRequest:
        """Close it; one that is not open stays as it is."""
        now = self._clock()
        return self.change(
            number,
            lambda pull: replace(pull, state=CLOSED, closed_by=by, closed_at=now) if pull.state is OPEN else pull,
        )

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """Note what somebody merged with git: nobody else does."""
        return self.change(
            number,
            lambda pull: (
                pull
                if pull.state is MERGED
                else replace(pull, state=MERGED, merged_by=merge.by, merged_at=merge.at, merge_commit=merge.commit)
            ),
        )

    def change(self, number: int, change: Callable[[PullRequest], PullRequest], *said: Remark) -> PullRequest:
        """Change a pull request as it is now, and add to what is said. Raises UnknownPullRequest."""
        with self._writing() as entries:
            before = _entry(entries, number)
            after = Entry(change(_with_head(before.pull, self._heads())), (*before.remarks, *said))
            if after != before:
                del entries[number]
                entries[number] = after
            return after.pull

    def _shown(self, entries: Mapping[int, Entry] | None = None) -> list[PullRequest]:
        heads = self._heads()
        return [_with_head(one.pull, heads) for one in (self._read() if entries is None else entries).values()]

    def _heads(self) -> dict[str, str]:
        lines = self._git.run(
            "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"
        ).text.splitlines()
        return {branch: sha for branch, _, sha in (line.partition(" ") for line in lines)}

    def _mergeable_head(self, draft: PullRequestDraft) -> str:
        heads = self._heads()
        head, base = heads.get(draft.head), heads.get(draft.base)
        if not head or not base or self._git.run("merge-base", "--is-ancestor", head, base, accept=(0, 1)).code == 0:
            raise CannotOpenPullRequest(draft)
        return head

    def _read(self) -> dict[int, Entry]:
        try:
            return _ENTRIES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            raise LedgerUnusable(self._path, type(error).__name__) from error

    @contextmanager
    def _writing(self) -> Iterator[dict[int, Entry]]:
        """The entries for one change: others wait, and who reads meanwhile sees those of before."""
        fresh = self._path.with_suffix(".new")
        try:
            with self._path.with_suffix(".lock").open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                entries = self._read()
                yield entries
                with fresh.open("wb") as file:
                    file.write(_ENTRIES.dump_json(entries, indent=1))
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(self._path)
        except OSError as error:
            raise LedgerUnusable(self._path, type(error).__name__) from error


def _entry(entries: Mapping[int, Entry], number: int) -> Entry:
    if number not in entries:
        raise UnknownPullRequest(number)
    return entries[number]


def _with_head(pull: PullRequest, heads: Mapping[str, str]) -> PullRequest:
    """An open one has the head of its branch, any other that of before."""
    return replace(pull, head_sha=heads.get(pull.head, pull.head_sha)) if pull.state is OPEN else pull
