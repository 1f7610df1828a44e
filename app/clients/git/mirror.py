"""The bare mirror of one config repository: what the remote holds, and commits written for it without a checkout."""

import fcntl
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from app.clients.deadline import seconds_left
from app.clients.git.command import (
    GitCommand,
    GitFailed,
    UnknownCommit,
    checked_branch,
    checked_sha,
    holding_open,
    is_sha,
)
from app.clients.git.push import list_branches, push
from app.clients.git.remote import Remote, RemoteRefused, RemoteUnavailable
from app.clients.git.trees import ObjectMissing, Trees, read_commits, read_objects
from app.clients.git.writing import Identity, modes_of, write_commits
from app.core.commits import SHORTEST, WHOLE
from app.core.errors import Unavailable
from app.core.ports import BranchUpdate, Commit, CommitDraft, PushResult, TreeEntry

_HEADS = "refs/heads/"
_BROKEN_MARK = "fluxbridge-broken"
_LOCK_POLL_S = 0.02
_MOST_COMMITS = 1000
_CUT_SHORT = re.compile(rf"[0-9a-f]{{{SHORTEST},{WHOLE - 1}}}")
# What git says of its own repository; lines that the remote sent begin with "remote:" and do not count.
_DAMAGE = re.compile(
    r"^(?!remote:).*(bad (tree )?object|bad sha1|bad config|bad signature|not a git repository|not a valid object"
    r"|(is|object) corrupt|corrupt loose object|is empty|unable to (read|unpack|parse)|could not parse|inflate: "
    r"|missing (blob|tree|commit)|Can't load tree|invalid sha1 pointer|did not send all necessary objects"
    r"|does not point to a valid|broken ref|reference broken|packfile .*/)",
    re.MULTILINE,
)


class MirrorBusy(Unavailable):
    """Another process or thread works in the mirror for longer than we wait."""

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        super().__init__(f"the mirror {path.name} stayed locked for {timeout_s:.3g} s; it is tried again later")


class Mirror:
    """One config repository as a cache on this disk, safe to delete; every method is safe in threads and processes.

    Opening it makes it where it is missing, without a look at the remote; fetching mends it where it is unusable. Only
    `base_branches` and the branches under `prefix` are fetched. `identity` is the name and e-mail of author and
    committer.
    """

    def __init__(
        self, remote: Remote, git: GitCommand, *, base_branches: Sequence[str], prefix: str, identity: Identity
    ) -> None:
        self._remote, self._git, self._identity = remote, git, identity
        self._patterns = (*map(checked_branch, base_branches), f"{checked_branch(prefix)}/*")
        self._trees, self._commits = Trees(git), dict[str, Commit]()
        if not (git.path / "HEAD").is_file():
            with self._locked():
                self._make_usable()

    def fetch(self) -> Mapping[str, str]:
        """Bring the base branches and those under our prefix here; a damaged mirror is cloned anew.

        A repository or a base branch that is still empty or missing is no error: the branch is not in the answer.
        """
        with self._locked():
            self._make_usable()
            try:
                return self._fetch()
            except (GitFailed, RemoteRefused, RemoteUnavailable) as error:
                if not _DAMAGE.search(error.words):
                    raise
            self._make_anew()
            return self._fetch()

    def remote_branches(self) -> Mapping[str, str]:
        """Ask the remote for all its branches and their commits."""
        return list_branches(self._git, self._remote)

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        """Every file of a commit by its path. Raises UnknownCommit."""
        with self._damage_noticed():
            return self._trees.of(self.commit(commit).tree)

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """The contents of blobs by id, as ids come from `tree`; raises ObjectMissing for one that is not here."""
        wanted = set(ids)
        with self._damage_noticed():
            found = {sha: content for sha, (kind, content) in read_objects(self._git, wanted).items() if kind == "blob"}
        if missing := wanted - found.keys():
            self._mark_broken()
            raise ObjectMissing(f"blob {min(missing)}")
        return found

    def has_commit(self, sha: str) -> bool:
        """Tell whether the mirror holds this commit."""
        return is_sha(sha) and self._has_all([sha])

    def full_id(self, sha: str) -> str:
        """The whole id of a commit that is cut short to twelve digits or more; as it is where that names none here."""
        if not _CUT_SHORT.fullmatch(sha):
            return sha
        found = self._git.run("rev-parse", "--verify", "--quiet", f"{sha}^{{commit}}", accept=(0, 1, 128)).text
        # A branch may be called as a commit is.
        return found if is_sha(found) and found.startswith(sha) else sha

    def commit(self, sha: str) -> Commit:
        """One commit; `author` is `Name <e-mail>`. Raises UnknownCommit."""
        found = self._commits.get(sha)
        if found is None:
            with self._damage_noticed():
                found = read_commits(self._git, [sha])[0]
            if len(self._commits) >= _MOST_COMMITS:
                self._commits.clear()
            self._commits[sha] = found
        return found

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Tell whether `ancestor` is `descendant` or reachable from it. Raises UnknownCommit."""
        self._require(ancestor, descendant)
        with self._damage_noticed():
            done = self._git.run("merge-base", "--is-ancestor", ancestor, descendant, accept=(0, 1))
        return done.code == 0

    def commits_between(self, old: str, new: str, *, paths: Sequence[str] = (), limit: int = 100) -> Sequence[Commit]:
        """Commits reachable from `new` and not from `old` that touch `paths`, newest first. Raises UnknownCommit.

        Side branches count in full, also where a merge took none of their content.
        """
        self._require(old, new)
        with self._damage_noticed():
            command = ["rev-list", "--full-history", f"--max-count={limit:d}", new, f"^{old}", "--", *paths]
            return read_commits(self._git, self._git.run(*command).text.split())

    def write_commit(self, draft: CommitDraft) -> str:
        """Write blobs, trees and commit, keeping file modes; raises UnknownCommit (the parent) and UnusablePath."""
        return self.write_commits([draft])[0]

    def write_commits(self, drafts: Sequence[CommitDraft]) -> Sequence[str]:
        """Write many at once, which costs little more than one; all or none. Returns ids in the order of the drafts."""
        laid_out = [(draft, modes_of(self.tree(draft.parent), draft.files)) for draft in drafts]
        with self._damage_noticed():
            return write_commits(self._git, laid_out, identity=self._identity)

    def push(self, updates: Sequence[BranchUpdate]) -> Mapping[str, PushResult]:
        """Move many branches in one push, each only from the commit that is expected there. Raises UnknownCommit."""
        self._require(*(each.commit for each in updates if each.commit is not None))
        return push(self._git, self._remote, updates)

    def collect_garbage(self) -> None:
        """Pack the mirror and drop what nothing needs; git keeps unreferenced objects for two weeks."""
        with self._locked():
            self._git.run("gc", "--quiet")

    def _fetch(self) -> dict[str, str]:
        wanted = list_branches(self._git, self._remote, self._patterns)
        wanted = {branch: sha for branch, sha in wanted.items() if self._is_ours(branch)}
        present = self._branches()
        gone = "".join(f"delete {_HEADS}{branch}\0\0" for branch in present.keys() - wanted.keys())
        self._git.run("update-ref", "--stdin", "-z", stdin=gone.encode("utf-8", "surrogateescape"))
        if wanted.items() <= present.items() and self._has_all(wanted.values()):
            return wanted
        refspecs = [f"+{_HEADS}{name}:{_HEADS}{name}" for name in self._patterns if name in wanted or "*" in name]
        options = ["--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet", "--force"]
        self._remote.ask(self._git, "fetch", *options, "--", self._remote.url, *refspecs)
        return self._branches()

    def _branches(self) -> dict[str, str]:
        listed = self._git.run("for-each-ref", "--format=%(objectname) %(refname)", _HEADS).text
        pairs = (line.split(" ", 1) for line in listed.splitlines())
        return {ref.removeprefix(_HEADS): sha for sha, ref in pairs}

    def _has_all(self, commits: Iterable[str]) -> bool:
        lines = "".join(f"{sha}\n" for sha in commits).encode()
        kinds = self._git.run("cat-file", "--batch-check=%(objecttype)", stdin=lines).text
        return set(kinds.splitlines()) <= {"commit"}

    def _is_ours(self, branch: str) -> bool:
        *bases, pattern = self._patterns
        return branch in bases or branch.startswith(pattern.removesuffix("*"))

    def _require(self, *commits: str) -> None:
        if self._has_all(map(checked_sha, commits)):
            return
        raise UnknownCommit(next(each for each in commits if not self.has_commit(each)))

    @contextmanager
    def _damage_noticed(self) -> Iterator[None]:
        """Have the next fetch clone anew what this command stumbled over."""
        try:
            yield
        except GitFailed as error:
            if _DAMAGE.search(error.words):
                self._mark_broken()
                raise ObjectMissing(f"an object ({error.words.splitlines()[-1]})") from error
            raise

    def _mark_broken(self) -> None:
        with suppress(FileNotFoundError):
            (self._git.path / _BROKEN_MARK).touch()

    def _make_usable(self) -> None:
        path = self._git.path
        is_sound = (path / "HEAD").is_file() and not (path / _BROKEN_MARK).exists()
        if not is_sound or self._git.run("rev-parse", "--is-bare-repository", accept=range(256)).text != "true":
            self._make_anew()

    def _make_anew(self) -> None:
        """Put an empty repository in the place of whatever is there, in one rename: readers never see half of one."""
        path = self._git.path
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            fresh, old = Path(folder) / "fresh", Path(folder) / "old"
            GitCommand(fresh, self._git.timeout_s).run("init", "--quiet", "--bare", "--initial-branch=main")
            if path.exists():
                path.rename(old)
            fresh.rename(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the mirror against other threads and processes; git's own stale locks are removed first.

        A git that outlives us, killed as we may be, holds it on until it ends: its locks are not stale yet.
        """
        path, timeout_s = self._git.path, seconds_left(self._git.timeout_s)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{path.name}.lock").open("wb") as file:
            deadline = time.monotonic() + timeout_s
            while not _try_lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise MirrorBusy(path, timeout_s=timeout_s)
                time.sleep(_LOCK_POLL_S)
            _remove_stale_locks(path)
            with holding_open(file.fileno()):
                yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_stale_locks(path: Path) -> None:
    """Whoever left these was killed: only the holder of the mirror's lock makes any."""
    for lock in (*path.glob("*.lock"), *path.glob("refs/**/*.lock"), *path.glob("objects/info/**/*.lock")):
        lock.unlink(missing_ok=True)
