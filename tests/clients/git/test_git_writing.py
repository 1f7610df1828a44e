"""Commits are what git's own index would make of them, and trees read as differences are those read in full."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.clients.git.command import GitCommand, UnknownCommit
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.clients.git.writing import UnusablePath
from app.core.errors import Unavailable
from app.core.ports import CommitDraft
from tests.clients.git.git_worlds import IDENTITY
from tests.extent import EXAMPLES
from tests.servers.bare_repository import BareRepository

AT = datetime(2026, 5, 4, 12, 30, 7, tzinfo=UTC)
PLAIN, PROGRAM, LINK, MODULE = "100644", "100755", "120000", "160000"
ODD = (
    "with space.yaml",
    'with "quotes".yaml',
    '"quoted"',
    "new\nline.yaml",
    "\\back\\slash\\n",
    "tab\tand\rreturn",
    "-leading-dash",
    ":colon",
    "ünï/cödé 🚀.yaml",
    "not-utf8-\udcff/\udce9.yaml",
    " leading and trailing ",
    "deep/er/and/deeper/x.yaml",
)
Tree = dict[str, tuple[str, bytes]]


class World:
    """A repository whose commits are made through an index, as people's are, and a mirror of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = BareRepository.create(folder / "fleet.git")
        self.module = self.commit_of(self.tree_of({}))
        self.mirror = self.fresh_mirror("mirror.git")

    def fresh_mirror(self, name: str, identity: tuple[str, str] = IDENTITY) -> Mirror:
        git = GitCommand(self.folder / name, 20)
        remote = Remote(url=str(self.repository.path))
        return Mirror(remote, git, base_branches=["main"], prefix="fluxbridge", identity=identity)

    def tree_of(self, tree: Tree) -> str:
        """Write a tree through an empty index."""
        lines = []
        for path, (mode, content) in tree.items():
            stored = self.module if mode == MODULE else self.blob(content)
            lines.append(f"{mode} {stored}\t{path}\0".encode("utf-8", "surrogateescape"))
        index = str(self.folder / "index")
        self.repository.git("read-tree", "--empty", index=index)
        self.repository.git("update-index", "-z", "--index-info", stdin=b"".join(lines), index=index)
        return self.repository.git("write-tree", index=index).decode().strip()

    def blob(self, content: bytes) -> str:
        return self.repository.git("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def commit_of(self, tree: str, *parents: str, message: str = "A change\n", by: tuple[str, str] = IDENTITY) -> str:
        """Write a commit as `git commit-tree` does."""
        name, address = by
        date = f"@{int(AT.timestamp())} +0000"
        set_by = [
            f"GIT_{role}_{key}={value}"
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", name), ("EMAIL", address), ("DATE", date))
        ]
        options = [word for parent in parents for word in ("-p", parent)]
        command = ["env", *set_by, "git", "--git-dir", str(self.repository.path), "commit-tree", tree, *options]
        return subprocess.run(command, input=message.encode(), check=True, capture_output=True).stdout.decode().strip()

    def publish(self, tree: Tree) -> str:
        """Make this tree the head of main and fetch it."""
        commit = self.commit_of(self.tree_of(tree))
        self.repository.git("update-ref", "refs/heads/main", commit)
        return self.mirror.fetch()["main"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def draft(parent: str, files: Mapping[str, bytes], message: str = "A change\n") -> CommitDraft:
    return CommitDraft(parent=parent, files=files, message=message, at=AT)


def laid_over(tree: Tree, files: Mapping[str, bytes]) -> Tree:
    return tree | {path: (tree.get(path, (PLAIN, b""))[0], content) for path, content in files.items()}


EVERYTHING: Tree = {
    "app.yaml": (PLAIN, b"a: 1\n"),
    "bin/run": (PROGRAM, b"#!/bin/sh\n"),
    "link": (LINK, b"app.yaml"),
    "vendor/module": (MODULE, b""),
    **dict.fromkeys(ODD, (PLAIN, b"old")),
}


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"app.yaml": b"a: 2\n"}, id="at the root"),
        pytest.param({"bin/run": b"", "link": b"elsewhere"}, id="a program and a link"),
        pytest.param({"new/in/new/folder.yaml": b"x", "bin/new": b"y"}, id="new files"),
        pytest.param({path: path.encode("utf-8", "surrogateescape") for path in ODD}, id="odd paths"),
        pytest.param({f"new {path}": b"data 3\nM 100644 inline x\n\0\xff" for path in ODD}, id="odd new paths"),
        pytest.param({f"many/{number}": b"%d" % number for number in range(250)}, id="more than git leaves loose"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_commit_is_the_one_that_an_index_makes(world: World, files: dict[str, bytes]) -> None:
    head = world.publish(EVERYTHING)
    expected = world.commit_of(world.tree_of(laid_over(EVERYTHING, files)), head, message="Ünï\n\nmore\n")
    assert world.mirror.write_commit(draft(head, files, "Ünï\n\nmore")) == expected


def test_what_is_not_edited_keeps_its_mode_and_content(world: World) -> None:
    head = world.publish(EVERYTHING)
    before = world.mirror.tree(head)
    after = world.mirror.tree(world.mirror.write_commit(draft(head, {"app.yaml": b"new", "bin/x": b"new"})))
    assert {path: entry.mode for path, entry in before.items()} == {
        path: mode for path, (mode, _) in EVERYTHING.items()
    }
    assert {**after, "app.yaml": before["app.yaml"]} == {**before, "bin/x": after["bin/x"]}


@pytest.mark.parametrize("name", ["Fluxbridge", "Acme Inc.", "'quoted'", "a, b", "Ünï  cödé", "a\\b"])
def test_authors_are_written_as_git_writes_them(world: World, name: str) -> None:
    head = world.publish(EVERYTHING)
    expected = world.commit_of(world.tree_of(EVERYTHING), head, by=(name, "a.b@acme.example."))
    mirror = world.fresh_mirror("other.git", (name, "a.b@acme.example."))
    mirror.fetch()
    assert mirror.write_commit(draft(head, {})) == expected


def test_many_commits_in_one_go_are_those_written_one_by_one(world: World) -> None:
    head = world.publish(EVERYTHING)
    second = world.mirror.write_commit(draft(head, {"app.yaml": b"second"}))
    drafts = [
        draft(parent, {path: b"%d" % number}, f"Change {number}")
        for number, (parent, path) in enumerate((parent, path) for parent in (head, second) for path in EVERYTHING)
        if EVERYTHING[path][0] != MODULE
    ]
    together = world.mirror.write_commits(drafts)
    assert together == [world.mirror.write_commit(one) for one in drafts]
    assert len(set(together)) == len(drafts)
    assert world.mirror.write_commits([]) == []


def test_writing_leaves_no_ref_behind(world: World) -> None:
    head = world.publish(EVERYTHING)
    world.mirror.write_commits([draft(head, {"a": b"1"}), draft(head, {"b": b"2"})])
    mirror = BareRepository(world.folder / "mirror.git")
    assert mirror.git("for-each-ref", "--format=%(refname)").decode().split() == ["refs/heads/main"]


@pytest.mark.parametrize(
    "files",
    [
        {"vendor/module": b"x"},
        {"bin": b"x"},
        {"app.yaml/x": b"x"},
        {"link/x": b"x"},
        {"new": b"x", "new/er": b"y"},
        {"x/../y": b"x"},
    ],
    ids=str,
)
def test_no_commit_is_written_over_what_is_no_file(world: World, files: dict[str, bytes]) -> None:
    head = world.publish(EVERYTHING)
    with pytest.raises(UnusablePath):
        world.mirror.write_commits([draft(head, {"app.yaml": b"fine"}), draft(head, files)])


def test_one_unknown_parent_refuses_all(world: World) -> None:
    head = world.publish(EVERYTHING)
    with pytest.raises(UnknownCommit):
        world.mirror.write_commits([draft(head, {"a": b"1"}), draft("ab" * 20, {"a": b"1"})])


def test_a_tree_that_was_lost_is_noticed_and_cloned_anew(world: World) -> None:
    head = world.publish(EVERYTHING)
    world.mirror.tree(head)
    mirror = world.folder / "mirror.git"
    for each in (*mirror.glob("objects/??/*"), *mirror.glob("objects/pack/*")):
        each.unlink()
    with pytest.raises(Unavailable):
        world.mirror.write_commit(draft(head, {"bin/run": b"x"}))
    assert list(mirror.glob("fast_import_crash_*")) == []
    other = {**EVERYTHING, "app.yaml": (PLAIN, b"other")}
    head = world.publish(other)
    expected = world.commit_of(world.tree_of(laid_over(other, {"bin/run": b"x"})), head)
    assert world.mirror.write_commit(draft(head, {"bin/run": b"x"})) == expected


NAMES = st.sampled_from(["a", "b", "c.yaml", ODD[0], ODD[1], ODD[3], "\udcff"])
FILES = st.tuples(st.sampled_from([PLAIN, PROGRAM, LINK, MODULE]), st.sampled_from([b"", b"one", b"two\n"]))


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A tree of at most three levels, in which no file is a folder too."""
    drawn = draw(st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), FILES, max_size=6))
    return {path: file for path, file in drawn.items() if not any(other.startswith(f"{path}/") for other in drawn)}


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        yield World(Path(folder))


@given(st.lists(trees(), min_size=2, max_size=4))
@settings(max_examples=EXAMPLES // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tree_read_as_a_difference_is_the_tree(shared_world: World, history: list[Tree]) -> None:
    for tree in history:
        found = shared_world.mirror.tree(shared_world.publish(tree))
        assert {path: entry.mode for path, entry in found.items()} == {path: mode for path, (mode, _) in tree.items()}
        files = [path for path, (mode, _) in tree.items() if mode != MODULE]
        contents = shared_world.mirror.blobs(found[path].blob for path in files)
        assert {path: contents[found[path].blob] for path in files} == {path: tree[path][1] for path in files}


@given(trees(), st.dictionaries(NAMES, st.binary(max_size=20), max_size=4))
@settings(max_examples=EXAMPLES // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_commit_is_the_one_that_an_index_makes(shared_world: World, tree: Tree, files: Mapping[str, bytes]) -> None:
    head = shared_world.publish(tree)
    folders = {path.partition("/")[0] for path in tree if "/" in path}
    files = {path: content for path, content in files.items() if tree.get(path, (PLAIN, b""))[0] != MODULE}
    files = {path: content for path, content in files.items() if path not in folders}
    expected = shared_world.commit_of(shared_world.tree_of(laid_over(tree, files)), head)
    assert shared_world.mirror.write_commit(draft(head, files)) == expected
