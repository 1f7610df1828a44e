"""What the services need from outside, as Protocols; `app.clients` has the things themselves.

Every method may raise `Unavailable` (try later) or `Refused` (an operator must act) unless it says otherwise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.core.errors import Unavailable
from app.core.facts import BuildFinished


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file of a commit's tree. `mode` is git's: 100644, 100755, 120000 (symlink), 160000 (submodule)."""

    mode: str
    blob: str

    @property
    def is_regular(self) -> bool:
        """Whether it is a file with content of its own, executable or not."""
        return self.mode in {"100644", "100755"}

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link; its blob holds where it leads."""
        return self.mode == "120000"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as git stores it. `committed_at` is UTC; `tree` and `parents` are object ids."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    committed_at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class CommitDraft:
    """A commit to write: the same draft always gives the same id. `files` maps paths to whole new contents."""

    parent: str
    files: Mapping[str, bytes]
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BranchUpdate:
    """Move `branch` from `expected` (None: it must not exist) to `commit` (None: delete it)."""

    branch: str
    commit: str | None
    expected: str | None


class PushOutcome(StrEnum):
    """What became of one branch in a push."""

    DONE = "done"
    STALE = "stale"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PushResult:
    """The outcome for one branch, with git's own words where it did not go through."""

    outcome: PushOutcome
    reason: str = ""


class Blobs(Protocol):
    """Where the contents of files are."""

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """The contents of blobs by id."""


class ConfigRepository(Blobs, Protocol):
    """The bare mirror of one config repository. Branch names are short (`main`), commits are 40 hex digits."""

    def fetch(self) -> Mapping[str, str]:
        """Bring the base branches and those under our prefix here; returns every fetched branch with its commit."""

    def remote_branches(self) -> Mapping[str, str]:
        """Ask the remote for its branches and their commits, without fetching (`git ls-remote`)."""

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        """Every file of a commit by its path."""

    def has_commit(self, sha: str) -> bool:
        """Tell whether the mirror holds this commit."""

    def full_id(self, sha: str) -> str:
        """The whole id of a commit that a forge cut short; as it is where there is no such commit here, or several."""

    def commit(self, sha: str) -> Commit:
        """One commit. Raises NotFound."""

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Tell whether `ancestor` is `descendant` or reachable from it."""

    def commits_between(self, old: str, new: str, *, paths: Sequence[str] = (), limit: int = 100) -> Sequence[Commit]:
        """Commits reachable from `new` and not from `old` that touch `paths`, newest first."""

    def write_commit(self, draft: CommitDraft) -> str:
        """Write blobs, trees and commit into the mirror, keeping file modes; returns the commit's id."""

    def write_commits(self, drafts: Sequence[CommitDraft]) -> Sequence[str]:
        """Write many at once, all or none, which costs little more than one; ids in the order of the drafts."""

    def push(self, updates: Sequence[BranchUpdate]) -> Mapping[str, PushResult]:
        """Move many branches in one push, each only from the commit that is expected there."""

    def collect_garbage(self) -> None:
        """Pack the mirror and drop what nothing needs."""


class RateLimited(Unavailable):
    """A forge wants to be left alone for `retry_after`, whatever is asked of it."""


class PullRequestState(StrEnum):
    """Where a pull request stands."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class PullRequestSeen:
    """What a forge's list shows of a pull request, without asking for each; `head_sha` may be cut short."""

    number: int
    state: PullRequestState
    head: str
    head_sha: str
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request as the forge shows it. `head` and `base` are branch names in the base repository.

    `head_sha` is the head at the merge once it is merged; it and `merge_commit` may be cut short to twelve digits:
    compare them by `is_same_commit`. `has_conflict` is None while the forge does not know. `is_committed` tells that
    people approved it or that it merges by itself when checks pass. `closed_by` is None where the forge does not tell.
    `version` is what an edit gives back, so that it does not undo another's.
    """

    number: int
    url: str
    state: PullRequestState
    head: str
    head_sha: str
    base: str
    title: str
    body: str
    author: str
    labels: tuple[str, ...] = ()
    is_from_fork: bool = False
    has_conflict: bool | None = None
    is_committed: bool = False
    merge_commit: str | None = None
    merged_by: str | None = None
    merged_at: datetime | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None
    version: str | None = None

    @property
    def seen(self) -> PullRequestSeen:
        """What a list would show of it."""
        return PullRequestSeen(self.number, self.state, self.head, self.head_sha, self.base)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitMerge:
    """How a head came into its base branch by git: `commit` merged it (the head itself: a fast-forward).

    `by` is that commit's author, who has proven nothing to anybody.
    """

    head: str
    commit: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestDraft:
    """A pull request to open, from `head` into `base`."""

    head: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of forge can do; each is true or false of all repositories there.

    `opening_may_update`: asked to open what is open already, it gives that one the new title and body.
    `edits_need_version`: an edit with the `version` of before somebody else's is a Conflict. `hides_html_comments`: of
    an HTML comment in a text people see nothing; else a link definition that nothing refers to hides a mark.
    Bodies are written so that they have no more characters than `longest_body`.
    """

    tells_who_closed: bool = True
    can_reopen: bool = True
    has_labels: bool = True
    opening_may_update: bool = False
    edits_need_version: bool = False
    hides_html_comments: bool = True
    longest_body: int = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What we may do in a repository and at one of its base branches, as far as the forge tells; None: it does not.

    `may_push` is about branches of our own; `may_push_to_base` is what nobody should who only proposes. `demands` are
    what the branch's protection wants before a merge, a few words each. `token_ends_at` is None also where it never
    does.
    """

    may_push: bool | None = None
    may_push_to_base: bool | None = None
    is_archived: bool = False
    demands: tuple[str, ...] = ()
    token_ends_at: datetime | None = None


class Forge(Protocol):
    """Hosts the config repository and its pull requests."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def product(self) -> str:
        """What it is, with its version, as it says itself. Raises Refused where it is not what the settings say."""

    def account(self) -> str:
        """The login under which we act."""

    def rights(self, *, base: str) -> Rights:
        """What we may do there, for `fluxbridge check`."""

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        """Pull requests from this branch of the base repository, in any state, newest first."""

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        """Those from branches of the base repository below `prefix`/, in any state, that changed last, newest first.

        At most `limit` pull requests of the repository are looked at, whosever they are.
        """

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        """Those that are open from branches of the base repository below `prefix`/.

        Where there are thousands, not all of them: one that is left out may still be open.
        """

    def pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises NotFound."""

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        """Open it; one that is already open from that head into that base is returned instead."""

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        """Replace title and body, whatever they are; with a `version` only where nobody changed it since.

        Raises Conflict where somebody did and the forge tells so.
        """

    def comment(self, number: int, text: str) -> None:
        """Say something in the pull request."""

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        """What we said in the pull request since then by the forge's clock, oldest first, as it was given."""

    def close_pull_request(self, number: int) -> PullRequest:
        """Close it; closing a closed one changes nothing."""

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """Take a merge by git into account, where nobody else does; a forge that sees it by itself shows what it saw.

        It stays open where the forge has not seen it yet.
        """


class Receiver(Protocol):
    """Flux's Receiver in one cluster; `name` is the one that it has in the settings."""

    name: str

    def call(self, revision: str) -> None:
        """Make Flux fetch now, for its branch is at this revision (`main@sha1:…`); once more changes nothing."""


class Registry(Protocol):
    """One registry of images, or of charts; `path` is a repository without the host."""

    def tags(self, path: str) -> Sequence[str]:
        """Every tag, all pages; a repository that does not exist has none."""

    def digest(self, path: str, reference: str) -> str | None:
        """The digest that a tag (or digest) names now, an index's own for multi-arch; None: not there."""


@dataclass(frozen=True, slots=True)
class BuildSeen:
    """A build in the list of its job; `build` is None while it is running."""

    number: int
    build: BuildFinished | None


class Jenkins(Protocol):
    """One Jenkins controller."""

    def newest_builds(
        self, patterns: Sequence[str], *, on_left_out: Callable[[str, str], None] = lambda _name, _why: None
    ) -> Mapping[str, int]:
        """The jobs of which a pattern matches the full name (`*` also over `/`), with their newest numbers.

        A job without builds has 0. Folders are walked, as far as our account may read them. What has a name that is
        not taken is told to `on_left_out`, with the reason.
        """

    def builds_after(self, job: str, number: int, *, limit: int) -> Sequence[BuildSeen]:
        """The newest builds of a job above a number, at most `limit`, oldest first; artifacts left empty.

        Raises NotFound when Jenkins has no such job (or hides it).
        """

    def build(self, job: str, number: int) -> BuildFinished | None:
        """A finished build as Jenkins itself tells it, artifacts left empty.

        None while it is running. Raises NotFound when Jenkins has no such build (or hides it).
        """


@dataclass(frozen=True, slots=True)
class BuildCheck:
    """How the build of one folder ended before and after an edit: None is well, else the builder's own words."""

    path: str
    problem_before: str | None
    problem_after: str | None
    has_ended: bool = True
    """Whether both builds ended in time: if not, the same builds may end otherwise another time."""

    @property
    def is_broken_by_edit(self) -> bool:
        """Whether it built before the edit and does not after it."""
        return self.problem_before is None and self.problem_after is not None


@dataclass(frozen=True, slots=True)
class RenderedManifests:
    """What came of rendering a folder: its objects as YAML, or why there are none, in the renderer's own words."""

    text: bytes = b""
    problem: str | None = None


class ManifestRenderer(Protocol):
    """Renders folders as kustomize does, of the files that it is given and of nothing else."""

    def render(self, folder: str, files: Mapping[str, bytes]) -> RenderedManifests:
        """Render a folder (empty: what all of them lie in) among files, by their paths.

        A folder that does not build, or must not be built, is an answer, not an error.
        """


class ManifestBuilder(Protocol):
    """Builds folders of a config repository as Flux's kustomize-controller does."""

    def check_builds(self, before: str, after: str, paths: Sequence[str]) -> tuple[BuildCheck, ...]:
        """Build each folder (empty: the repository itself) at two commits.

        A folder that does not build is an answer, not an error. Raises UnknownCommit.
        """
