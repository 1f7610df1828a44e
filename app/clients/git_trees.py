"""Reads and writes commits, trees and blobs in a bare repository, without a checkout."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.clients.git_command import GitCommand, GitFailed, GitSetup, UnknownCommit, checked_sha
from app.core.errors import Invalid, Unavailable
from app.core.ports import Commit, CommitDraft, TreeEntry

Identity = tuple[str, str]

_NEW_FILE_MODE = "100644"
_SUBMODULE_MODE = "160000"


class UnusablePath(Invalid):
    """A path that cannot be a file of a commit."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path!r} cannot be a file in the config repository; name a file inside it, relative to its root"
        )


class ObjectMissing(Unavailable):
    """An object that the repository should hold is gone or damaged."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the mirror of the config repository lacks {what}; it is cloned anew at the next fetch")


def read_tree(git: GitCommand, commit: str) -> dict[str, TreeEntry]:
    """Every file below a commit (or tree) by path; submodules are entries too. Raises GitFailed."""
    listed = git.run("ls-tree", "-r", "-z", "--full-tree", checked_sha(commit)).output
    entries = {}
    for line in filter(None, listed.split(b"\0")):
        attributes, _, path = line.partition(b"\t")
        mode, _kind, blob = attributes.decode().split(" ")
        entries[path.decode("utf-8", "surrogateescape")] = TreeEntry(mode, blob)
    return entries


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


def write_files(git: GitCommand, base: str, files: Mapping[str, bytes]) -> str:
    """Write the tree of `base` with `files` laid over it; modes are kept, new files are plain. Returns the tree's id.

    Raises UnknownCommit, UnusablePath.
    """
    modes = _modes(git, base, list(files))
    with tempfile.TemporaryDirectory(prefix="fluxbridge-") as folder:
        index = GitSetup(variables={"GIT_INDEX_FILE": str(Path(folder) / "index")})
        blobs = _write_blobs(git, Path(folder), list(files.values()))
        lines = [
            f"{modes.get(path, _NEW_FILE_MODE)} {blob}\t{path}\0".encode("utf-8", "surrogateescape")
            for path, blob in zip(files, blobs, strict=True)
        ]
        git.run("read-tree", base, setup=index)
        git.run("update-index", "-z", "--index-info", stdin=b"".join(lines), setup=index)
        return git.run("write-tree", setup=index).text


def _modes(git: GitCommand, base: str, paths: Sequence[str]) -> dict[str, str]:
    try:
        entries = read_tree(git, base)
    except GitFailed as error:
        raise UnknownCommit(base) from error
    folders = {"/".join(path.split("/")[:depth]) for path in entries for depth in range(1, path.count("/") + 1)}
    for path in paths:
        parts = path.split("/")
        is_odd = any(part in {"", ".", ".."} or part.lower() == ".git" or "\0" in part for part in parts)
        parents = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        is_taken = path in folders or parents & entries.keys() or entries.get(path, _PLAIN).mode == _SUBMODULE_MODE
        if is_odd or is_taken:
            raise UnusablePath(path)
    return {path: entries[path].mode for path in paths if path in entries}


_PLAIN = TreeEntry(_NEW_FILE_MODE, "")


def _write_blobs(git: GitCommand, folder: Path, contents: Sequence[bytes]) -> list[str]:
    files = [folder / str(number) for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    names = "".join(f"{file}\n" for file in files).encode()
    return git.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=names).text.split()


def write_commit(git: GitCommand, draft: CommitDraft, *, identity: Identity) -> str:
    """Write blobs, trees and commit; equal drafts give equal ids, for nothing comes from the clock or the machine."""
    tree = write_files(git, checked_sha(draft.parent), draft.files)
    return commit_tree(git, tree, (draft.parent,), message=draft.message, by=signature(identity, draft.at))


def commit_tree(git: GitCommand, tree: str, parents: Sequence[str], *, message: str, by: Mapping[str, str]) -> str:
    """Write a commit object over a tree, signed as `signature` says; returns its id."""
    text = message.replace("\0", " ").rstrip("\n") + "\n"
    options = [word for parent in parents for word in ("-p", parent)]
    stdin = text.encode("utf-8", "replace")
    return git.run("commit-tree", tree, *options, stdin=stdin, setup=GitSetup(variables=by)).text


def signature(identity: Identity, at: datetime) -> dict[str, str]:
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
