"""Writes commits into a bare repository, many in one go: blobs, and trees from the changed paths up."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from app.clients.git.command import GitCommand, GitFailed
from app.clients.git.trees import as_message
from app.core.errors import Invalid
from app.core.ports import CommitDraft, TreeEntry

Identity = tuple[str, str]

_NEW_FILE_MODE = "100644"
_SUBMODULE_MODE = "160000"
# `git fast-import` needs a name to write under. It is taken back in the same run, so that no such ref ever exists.
_REF = b"refs/fluxbridge/writing"
# What git itself takes out of names and addresses (`strbuf_addstr_without_crud`), so that ids are those of commit-tree.
_CRUD_AT_ENDS = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
_CRUD_INSIDE = re.compile(r"[\n<>]")


class UnusablePath(Invalid):
    """A path that cannot be a file of a commit."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path!r} cannot be a file in the config repository; name a file inside it, relative to its root"
        )


def modes_of(entries: Mapping[str, TreeEntry], paths: Iterable[str]) -> dict[str, str]:
    """The mode that each file of a commit gets: it keeps the one that it has in the parent, new files are plain.

    Raises UnusablePath, also where a file and a folder would have one name.
    """
    wanted = dict.fromkeys(paths, _NEW_FILE_MODE)
    for path in wanted:
        parts = path.split("/")
        is_odd = any(part in {"", ".", ".."} or part.lower() == ".git" or "\0" in part for part in parts)
        parents = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        known = entries.get(path)
        is_below_file = any(parent in entries or parent in wanted for parent in parents)
        if is_odd or is_below_file or _is_folder(entries, path, known):
            raise UnusablePath(path)
        if known is not None:
            wanted[path] = known.mode
    return wanted


def _is_folder(entries: Mapping[str, TreeEntry], path: str, known: TreeEntry | None) -> bool:
    if known is not None:
        return known.mode == _SUBMODULE_MODE
    return any(other.startswith(f"{path}/") for other in entries)


def write_commits(
    git: GitCommand, drafts: Sequence[tuple[CommitDraft, Mapping[str, str]]], *, identity: Identity
) -> list[str]:
    """Write drafts, each with the modes of its files, through one process; returns their ids in order.

    Equal drafts give equal ids, for nothing comes from the clock or the machine. Raises GitFailed.
    """
    if not drafts:
        return []
    lines = [
        line for number, (draft, modes) in enumerate(drafts, 1) for line in _commit(number, draft, modes, identity)
    ]
    lines += [b"get-mark :%d\n" % number for number in range(1, len(drafts) + 1)]
    lines.append(b"reset %s\n" % _REF)
    try:
        return git.run("fast-import", "--quiet", stdin=b"".join(lines)).text.split()
    except GitFailed:
        for report in git.path.glob("fast_import_crash_*"):
            with suppress(OSError):
                report.unlink()
        raise


def _commit(number: int, draft: CommitDraft, modes: Mapping[str, str], identity: Identity) -> Iterator[bytes]:
    name, address = map(_without_crud, identity)
    who = f"{name} <{address}> {int(draft.at.timestamp())} +0000".encode()
    yield b"commit %s\nmark :%d\nauthor %s\ncommitter %s\n" % (_REF, number, who, who)
    yield from _content(as_message(draft.message))
    yield b"from %s\n" % draft.parent.encode()
    for path, content in draft.files.items():
        yield b'M %s inline "%s"\n' % (modes[path].encode(), _escaped(path))
        yield from _content(content)


def _content(content: bytes) -> Iterator[bytes]:
    yield b"data %d\n" % len(content)
    yield content
    yield b"\n"


def _escaped(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    return raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


def _without_crud(text: str) -> str:
    return _CRUD_INSIDE.sub("", text.strip(_CRUD_AT_ENDS))
