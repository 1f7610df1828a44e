"""How the local forge keeps pull requests: refs of our own in the bare repository, moved by compare-and-swap.

`refs/fluxbridge/pulls/N/state` is a blob of JSON, `…/N/head` the newest commit of its branch that was seen: it keeps
that commit alive when the branch is deleted.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from app.clients.git.command import GitCommand, GitFailed
from app.clients.git.trees import read_objects
from app.core.errors import Refused
from app.core.ports import PullRequestState

HEADS = "refs/heads/"
_PULLS = "refs/fluxbridge/pulls/"
_NOWHERE = "0" * 40
_LOST_RACE = re.compile(r"cannot lock ref|reference already exists|but expected|Unable to create|unable to lock")


class NoLocalRepository(Refused):
    """The folder that the local forge is pointed at is no bare repository."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is no bare git repository; make one with `git init --bare`, or correct the URL")


class Remark(BaseModel):
    """A comment."""

    model_config = ConfigDict(frozen=True)

    by: str
    at: datetime
    text: str


class Pull(BaseModel):
    """What is written down about a pull request; its head is a ref."""

    model_config = ConfigDict(frozen=True)

    head: str
    base: str
    title: str
    body: str
    author: str
    opened_at: datetime
    labels: tuple[str, ...] = ()
    state: PullRequestState = PullRequestState.OPEN
    comments: tuple[Remark, ...] = ()
    merge_commit: str | None = None
    merged_by: str | None = None
    merged_at: datetime | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def last_changed_at(self) -> datetime:
        """When something was last done to it; pushes to its branch do not count."""
        return self.changed_at or self.opened_at


@dataclass(frozen=True, slots=True)
class RefMove:
    """Move `ref` from `old` (None: it must not exist) to `new`."""

    ref: str
    new: str
    old: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Branches and pull requests at one moment; `refs` holds every ref of both by its full name."""

    refs: Mapping[str, str]
    pulls: Mapping[int, Pull]

    def branch(self, name: str) -> str | None:
        """The commit of a branch."""
        return self.refs.get(f"{HEADS}{name}")

    def head_sha(self, number: int) -> str:
        """The head of a pull request: its branch while it is open and there, else the last one seen."""
        kept = self.refs[head_ref(number)]
        pull = self.pulls[number]
        return self.branch(pull.head) or kept if pull.state is PullRequestState.OPEN else kept

    @property
    def next_number(self) -> int:
        """The first number that was never given."""
        return max(self.pulls, default=0) + 1

    def after(self, number: int, pull: Pull, moves: Iterable[RefMove]) -> "Snapshot":
        """As it is once such a pull request is written and these refs have moved, if nobody else moved any."""
        return Snapshot({**self.refs, **{move.ref: move.new for move in moves}}, {**self.pulls, number: pull})


def state_ref(number: int) -> str:
    """The ref that names the JSON."""
    return f"{_PULLS}{number:d}/state"


def head_ref(number: int) -> str:
    """The ref that keeps the head."""
    return f"{_PULLS}{number:d}/head"


@dataclass(slots=True)
class Pulls:
    """The pull requests of one repository; what stands in a blob is read once, for a blob never changes."""

    git: GitCommand
    _read: dict[str, Pull] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        """Read all refs, then the pull requests that they name. Raises NoLocalRepository."""
        if not (self.git.path / "HEAD").is_file():
            raise NoLocalRepository(self.git.path)
        listed = self.git.run("for-each-ref", "--format=%(refname) %(objectname)", HEADS, _PULLS).text
        refs = dict(line.split(" ", 1) for line in listed.splitlines())
        states = {
            int(ref.split("/")[3]): sha
            for ref, sha in refs.items()
            if ref.startswith(_PULLS) and ref.endswith("/state")
        }
        known = self._read
        blobs = read_objects(self.git, (sha for sha in states.values() if sha not in known))
        new = {sha: Pull.model_validate_json(text) for sha, (_, text) in blobs.items()}
        self._read = read = {sha: new[sha] if sha in new else known[sha] for sha in states.values()}
        return Snapshot(refs, {number: read[sha] for number, sha in sorted(states.items())})

    def write(self, pull: Pull) -> str:
        """Write the JSON; returns the blob."""
        text = pull.model_dump_json(indent=1, exclude_defaults=True).encode("utf-8", "replace")
        blob = self.git.run("hash-object", "-w", "--stdin", stdin=text).text
        self._read = {**self._read, blob: Pull.model_validate_json(text)}
        return blob


def move_refs(git: GitCommand, *moves: RefMove) -> bool:
    """Move all refs or none; False: one of them was no longer where it was expected."""
    lines = [f"update {move.ref}\0{move.new}\0{move.old or _NOWHERE}\0" for move in moves]
    try:
        git.run("update-ref", "--stdin", "-z", stdin="".join(lines).encode("utf-8", "surrogateescape"))
    except GitFailed as error:
        if _LOST_RACE.search(error.words):
            return False
        raise
    return True
