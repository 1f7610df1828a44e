"""What a working directory's own git repository has of it at one revision; nothing is written and nothing fetched."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.clients.git.command import GitCommand, GitMissing, is_sha
from app.clients.git.trees import read_objects, read_tree
from app.core.errors import Invalid, Unavailable
from app.core.ports import TreeEntry

_TIMEOUT_S = 120
# No colon: `REV:path` and `:/text` name no revision.
_REVISION = re.compile(r"(?!-)[A-Za-z0-9_+#@=%,./~^{}-]{1,250}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class RevisionUnreadable(Invalid):
    """A revision cannot be compared with: it is not there, or no repository is."""

    def __init__(self, folder: Path, revision: str, problem: str) -> None:
        super().__init__(f"{folder} cannot be compared with {revision[:250]!r}: {problem}")


@dataclass(frozen=True, slots=True)
class Revision:
    """The files of a folder at one revision, by their paths in the folder."""

    entries: Mapping[str, TreeEntry]
    _git: GitCommand
    _folder: Path
    _name: str

    @classmethod
    def read(cls, folder: Path, name: str) -> Self:
        """Find a branch, tag or commit, such as `origin/main` or `HEAD~1`. Raises RevisionUnreadable."""
        whole = folder.resolve()
        top = next((one for one in (whole, *whole.parents) if (one / ".git").exists()), None)
        if top is None:
            raise RevisionUnreadable(folder, name, "it is in no git repository")
        git = GitCommand(top / ".git", _TIMEOUT_S)
        try:
            commit = _commit(git, folder, name)
            inside = "" if whole == top else whole.relative_to(top).as_posix()
            tree = git.run("rev-parse", "--verify", "--quiet", f"{commit}:{inside}", accept=(0, 1)).text
            return cls(read_tree(git, tree) if tree else {}, git, folder, name)
        except (GitMissing, Unavailable) as error:
            raise RevisionUnreadable(folder, name, str(error)) from error

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by id. Raises RevisionUnreadable."""
        wanted = set(ids)
        try:
            found = read_objects(self._git, wanted)
        except (GitMissing, Unavailable) as error:
            raise RevisionUnreadable(self._folder, self._name, str(error)) from error
        if found.keys() != wanted:
            raise RevisionUnreadable(self._folder, self._name, "the clone lacks files of it: clone without --filter")
        return {one: content for one, (_, content) in found.items()}


def _commit(git: GitCommand, folder: Path, name: str) -> str:
    if not _REVISION.fullmatch(name):
        raise RevisionUnreadable(folder, name, "that is no revision: name a branch, a tag or a commit")
    # Named on standard input a revision is never an option.
    answer = git.run("cat-file", "--batch-check=%(objectname)", stdin=f"{name}^{{commit}}\n".encode()).text
    if _SHA256.fullmatch(answer):
        raise RevisionUnreadable(folder, name, "a repository with SHA-256 ids cannot be read yet")
    if not is_sha(answer):
        hint = "name a branch, a tag or a commit that this clone has (`git fetch` it, or fetch more of its history)"
        raise RevisionUnreadable(folder, name, f"the repository has no such revision; {hint}")
    return answer
