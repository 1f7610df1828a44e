"""Reads commits, trees and blobs of a bare repository, without a checkout."""

import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from app.clients.git.command import GitCommand, GitFailed, GitSetup, UnknownCommit, checked_sha
from app.core.errors import Unavailable
from app.core.ports import Commit, TreeEntry

_MOST_TREES = 4


class ObjectMissing(Unavailable):
    """An object that the repository should hold is gone or damaged."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the mirror of the config repository lacks {what}; it is cloned anew at the next fetch")


class Trees:
    """The files of trees by path. Most runs meet few changed files among many, so a tree is read as what differs.

    The last few trees are kept; what is asked for again is the same mapping, and unchanged files the same entries.
    """

    def __init__(self, git: GitCommand) -> None:
        self._git, self._lock = git, threading.Lock()
        self._kept: dict[str, Mapping[str, TreeEntry]] = {}

    def of(self, tree: str) -> Mapping[str, TreeEntry]:
        """Every file below a tree; submodules are entries too. Raises GitFailed."""
        with self._lock:
            found = self._kept.pop(tree, None)
            base = next(reversed(self._kept.items()), None)
        if found is None:
            found = self._read(tree, base)
        with self._lock:
            self._kept[tree] = found
            for oldest in list(self._kept)[:-_MOST_TREES]:
                del self._kept[oldest]
        return found

    def _read(self, tree: str, base: tuple[str, Mapping[str, TreeEntry]] | None) -> Mapping[str, TreeEntry]:
        if base is not None:
            # A mirror that was cloned anew may lack the tree that was read before.
            with suppress(GitFailed):
                return _read_changes(self._git, base, tree)
        return read_tree(self._git, tree)


def read_tree(git: GitCommand, commit: str) -> dict[str, TreeEntry]:
    """Every file below a commit (or tree) by path; submodules are entries too. Raises GitFailed."""
    entries = {}
    for line in _words(git.run("ls-tree", "-r", "-z", "--full-tree", checked_sha(commit)).output):
        attributes, _, path = line.partition("\t")
        mode, _kind, blob = attributes.split(" ")
        entries[path] = TreeEntry(sys.intern(mode), blob)
    return entries


def _read_changes(git: GitCommand, base: tuple[str, Mapping[str, TreeEntry]], tree: str) -> dict[str, TreeEntry]:
    """What `read_tree` gives, for a tree that has much in common with another."""
    known, entries = base
    changes = _words(git.run("diff-tree", "-r", "-z", "--no-renames", checked_sha(known), checked_sha(tree)).output)
    found = dict(entries)
    for attributes, path in zip(changes[::2], changes[1::2], strict=True):
        _, mode, _, blob, status = attributes.split(" ")
        if status == "D":
            del found[path]
        else:
            found[path] = TreeEntry(sys.intern(mode), blob)
    return found


def _words(output: bytes) -> list[str]:
    """What git ends with a NUL each; bytes of a path that are no UTF-8 survive a round trip."""
    return output.decode("utf-8", "surrogateescape").split("\0")[:-1]


def read_objects(git: GitCommand, ids: Iterable[str]) -> dict[str, tuple[str, bytes]]:
    """Kind and contents of objects by id, through one process; those that are missing are left out."""
    wanted = list(dict.fromkeys(map(checked_sha, ids)))
    if not wanted:
        return {}
    answer = git.run("cat-file", "--batch", stdin="".join(f"{sha}\n" for sha in wanted).encode()).output
    found, at = {}, 0
    for sha in wanted:
        end = answer.index(b"\n", at)
        words = answer[at:end].decode().split(" ")
        at = end + 1
        if len(words) == 3:
            size = int(words[2])
            found[sha] = (words[1], answer[at : at + size])
            at += size + 1
    return found


def read_commits(git: GitCommand, shas: Sequence[str]) -> list[Commit]:
    """Commits in the order asked for. Raises UnknownCommit."""
    objects = read_objects(git, shas)
    return [_commit(sha, *objects.get(sha, ("missing", b""))) for sha in shas]


def _commit(sha: str, kind: str, raw: bytes) -> Commit:
    if kind != "commit":
        raise UnknownCommit(sha)
    head, _, message = raw.partition(b"\n\n")
    lines = [line.partition(b" ") for line in head.split(b"\n")]
    fields = {key: value for key, _, value in reversed(lines)}
    committed = fields[b"committer"].rsplit(b" ", 2)[1]
    return Commit(
        sha=sha,
        tree=fields[b"tree"].decode(),
        parents=tuple(value.decode() for key, _, value in lines if key == b"parent"),
        author=_text(fields[b"author"].rsplit(b" ", 2)[0]),
        committed_at=datetime.fromtimestamp(int(committed), tz=UTC),
        message=_text(message),
    )


def commit_tree(git: GitCommand, tree: str, parents: Sequence[str], *, message: str, by: Mapping[str, str]) -> str:
    """Write a commit object over a tree, signed as `signature` says; returns its id."""
    options = [word for parent in parents for word in ("-p", parent)]
    return git.run("commit-tree", tree, *options, stdin=as_message(message), setup=GitSetup(variables=by)).text


def as_message(text: str) -> bytes:
    """A commit's message as it is given to git."""
    return (text.replace("\0", " ").rstrip("\n") + "\n").encode("utf-8", "replace")


def signature(identity: tuple[str, str], at: datetime) -> dict[str, str]:
    """The variables by which git names author and committer; the date is UTC to the second."""
    name, email = identity
    date = f"@{int(at.timestamp())} +0000"
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", email), ("DATE", date))
    }


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
