"""The index of scans: what was read once is not read again, and is never taken for anything else."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.core.flux.paths import is_manifest
from app.core.flux.scanning import scan_file
from app.core.flux.tree import FluxTree, assemble
from app.core.ports import TreeEntry
from app.services.heads.kept_scans import SILENT, KeptScans, scanner_version
from app.services.heads.scans import Scans

Tree = dict[str, tuple[str, bytes]]
PLAIN, LINK = "100644", "120000"

MARKED = b'image: registry.acme.example/app:%s # {"$imagepolicy": "flux-system:app"}\n'
POLICY = b"""apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: app%s}
spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: ">=1"}}, filterTags: {pattern: "^v", extract: "$1"}}
"""
REPOSITORY = b"""apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: app, namespace: flux-system}
spec: {image: registry.acme.example/app, exclusionList: [rc]}
"""
SOURCE = b"""apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: s}
spec: {url: u}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: u, namespace: n}
"""
CONTENTS = (
    b"kind: ConfigMap\n",
    b"kind: Secret\n",
    MARKED % b"1.0.0",
    MARKED % b"1.1.0",
    b'image: "app:1" # {"$imagepolicy": "flux-system:other:tag"}\n',
    b'# {"$imagepolicy": "near a miss"}\n',
    b"a: [ # imagepolicy, kustomize.toolkit.fluxcd.io\n",
    POLICY % b", namespace: flux-system",
    POLICY % b"",
    POLICY.replace(b"semver: {range", b"numerical: {order") % b", namespace: flux-system",
    REPOSITORY,
    b"namespace: flux-system\nresources: [web.yaml, ../b]\n",
    b"resources: [../a/web.yaml]\n",
    *(
        b"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: all, namespace: n}\n"
        b"spec: {path: %s, targetNamespace: flux-system}\n" % path
        for path in (b"./a", b"b", b"./")
    ),
    SOURCE,
)
PATHS = (
    "a/web.yaml",
    "a/kustomization.yaml",
    "b/kustomization.yaml",
    "b/web.yml",
    "b/c/x.yaml",
    "b/c/y.yaml",
    "x.yaml",
)
files = st.tuples(st.sampled_from([PLAIN, PLAIN, PLAIN, LINK]), st.sampled_from(CONTENTS))
trees = st.dictionaries(st.sampled_from((*PATHS, ".fluxbridge.yaml", "a/readme.md")), files, max_size=8)


@dataclass
class Repository:
    """Blobs by id, as a mirror gives them, and which of them were asked for."""

    contents: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    known: dict[str, TreeEntry] = field(default_factory=dict)

    def entries(self, tree: Tree) -> dict[str, TreeEntry]:
        """The tree of a commit; like a mirror's it shares its entries with the trees before it."""
        return {path: self._entry(path, mode, content) for path, (mode, content) in tree.items()}

    def _entry(self, path: str, mode: str, content: bytes) -> TreeEntry:
        blob = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self.contents[blob] = content
        entry = TreeEntry(mode, blob)
        if self.known.get(path) != entry:
            self.known[path] = entry
        return self.known[path]

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        wanted = list(ids)
        self.asked += wanted
        return {blob: self.contents[blob] for blob in wanted}


def seen(scans: Scans, repository: Repository, tree: Tree) -> FluxTree:
    """The tree as a run sees it."""
    reading: Any = repository
    return assemble(scans.of(reading, repository.entries(tree)))


def truth(tree: Tree) -> FluxTree:
    """The tree from its contents alone, with every file taking part."""
    return assemble(
        {
            path: scan_file(path, content)
            for path, (mode, content) in tree.items()
            if mode == PLAIN and is_manifest(path) and path != ".fluxbridge.yaml"
        }
    )


def many(count: int) -> Tree:
    """So many marked files."""
    return {f"apps/{number}.yaml": (PLAIN, MARKED % b"%d" % number) for number in range(count)}


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "scans").read_bytes().splitlines()


@given(st.lists(st.tuples(trees, st.sampled_from(["same process", "restart", "another repository"])), max_size=8))
def test_a_warm_index_sees_what_a_cold_one_sees(history: list[tuple[Tree, str]]) -> None:
    with TemporaryDirectory() as folder:
        scans, repository = Scans.kept_in(Path(folder)), Repository()
        for tree, event in history:
            if event == "restart":
                scans = Scans.kept_in(Path(folder))
            elif event == "another repository":
                repository = Repository()
            assert seen(scans, repository, tree) == truth(tree)


@given(st.lists(trees, max_size=8))
def test_an_index_that_must_forget_sees_the_same(history: list[Tree]) -> None:
    with TemporaryDirectory() as folder:
        scans, repository = Scans(KeptScans(Path(folder) / "scans", scanner="1"), most=2), Repository()
        for tree in history:
            assert seen(scans, repository, tree) == truth(tree)


def test_the_index_survives_a_restart(tmp_path: Path) -> None:
    repository, tree = Repository(), many(5) | {"silent.yaml": (PLAIN, b"a: 1\n"), "policy.yaml": (PLAIN, CONTENTS[7])}
    before = seen(Scans.kept_in(tmp_path), repository, tree)
    assert len(repository.asked) == 7
    tree["apps/0.yaml"] = (PLAIN, MARKED % b"new")
    after = seen(Scans.kept_in(tmp_path), repository, tree)
    assert len(repository.asked) == 8
    assert after == truth(tree) != before


def test_each_blob_is_read_once_wherever_it_lies(tmp_path: Path) -> None:
    repository, content = Repository(), (PLAIN, b"resources: [a.yaml]\n")
    scans = Scans.kept_in(tmp_path)
    seen(scans, repository, {"a/x.yaml": content, "b/y.yaml": content})
    assert len(repository.asked) == 1
    tree = {"b/z.yaml": content, "c/kustomization.yaml": content}
    assert seen(scans, repository, tree) == truth(tree)
    assert len(repository.asked) == 2


def test_what_another_version_scanned_is_not_believed(tmp_path: Path) -> None:
    repository, tree = Repository(), many(3)
    seen(Scans(KeptScans(tmp_path / "scans", scanner="1")), repository, tree)
    seen(Scans(KeptScans(tmp_path / "scans", scanner="2")), repository, tree)
    assert len(repository.asked) == 6
    seen(Scans(KeptScans(tmp_path / "scans", scanner="2")), repository, tree)
    assert len(repository.asked) == 6


def test_two_versions_at_once_do_not_mix(tmp_path: Path) -> None:
    repository = Repository()
    old, new = (Scans(KeptScans(tmp_path / "scans", scanner=scanner)) for scanner in "12")
    for count in range(1, 5):
        assert seen(old, repository, many(count)) == seen(new, repository, many(count)) == truth(many(count))
    assert len(lines_of(tmp_path)) == 1 + 4
    assert lines_of(tmp_path)[0] == b"scans by 2"


def test_processes_of_one_version_share_the_file(tmp_path: Path) -> None:
    repository = Repository()
    one, other = Scans.kept_in(tmp_path), Scans.kept_in(tmp_path)
    seen(one, repository, {})
    seen(other, repository, {})
    seen(one, repository, {"a.yaml": (PLAIN, MARKED % b"1")})
    seen(other, repository, {"b.yaml": (PLAIN, MARKED % b"2")})
    third = Repository()
    seen(Scans.kept_in(tmp_path), third, {"a.yaml": (PLAIN, MARKED % b"1"), "b.yaml": (PLAIN, MARKED % b"2")})
    assert third.asked == []


def truncated(raw: bytes) -> bytes:
    return raw[:-20]


def without_line_end(raw: bytes) -> bytes:
    return raw[:-1]


def altered(raw: bytes) -> bytes:
    return raw.replace(b"acme", b"evil", 1)


def moved_to_another_blob(raw: bytes) -> bytes:
    head, first, second, *rest = raw.split(b"\n")
    (check, key, scan), (other_check, other, other_scan) = first.split(b" ", 2), second.split(b" ", 2)
    return b"\n".join([head, b" ".join([check, other, scan]), b" ".join([other_check, key, other_scan]), *rest])


def binary(raw: bytes) -> bytes:
    return raw.split(b"\n")[0] + b"\n\xff\x00\xfe\n"


def no_scans_at_all(raw: bytes) -> bytes:
    head = raw.split(b"\n")[0]
    return head + b'\n06e1ce85 key ["Eval","x"]\n'


@pytest.mark.parametrize(
    "damage", [truncated, without_line_end, altered, moved_to_another_blob, binary, no_scans_at_all]
)
def test_a_damaged_file_is_dropped_told_and_written_anew(tmp_path: Path, damage: Any) -> None:
    repository, tree = Repository(), many(3)
    seen(Scans.kept_in(tmp_path), repository, tree)
    (tmp_path / "scans").write_bytes(damage((tmp_path / "scans").read_bytes()))
    with capture_logs() as logs:
        assert seen(Scans.kept_in(tmp_path), repository, tree) == truth(tree)
    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("warning", "the kept scans are damaged: all files are read anew")
    ]
    assert len(repository.asked) == 6
    seen(Scans.kept_in(tmp_path), repository, tree)
    assert len(repository.asked) == 6


@pytest.mark.parametrize("content", [b"", b"\n", b"something else\n", b"scans by "])
def test_a_file_that_is_no_index_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scans").write_bytes(content)
    repository, tree = Repository(), many(2)
    assert seen(Scans.kept_in(tmp_path), repository, tree) == truth(tree)
    seen(Scans.kept_in(tmp_path), repository, tree)
    assert len(repository.asked) == 2


def test_without_a_place_on_disk_scans_are_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, where a folder is wanted")
    repository, tree, scans = Repository(), many(2), Scans.kept_in(tmp_path / "taken")
    with capture_logs() as logs:
        assert seen(scans, repository, tree) == seen(scans, repository, tree) == truth(tree)
    assert len(repository.asked) == 2
    assert {line["event"] for line in logs} == {"the kept scans cannot be used"}


def test_no_more_is_kept_than_the_bound(tmp_path: Path) -> None:
    repository, scans = Repository(), Scans(KeptScans(tmp_path / "scans", scanner="1"), most=20)
    for number in range(100):
        tree = many(4) | {"changing.yaml": (PLAIN, MARKED % b"v%d" % number)}
        assert seen(scans, repository, tree) == truth(tree)
        assert len(lines_of(tmp_path)) <= 1 + 20
    assert len(repository.asked) == 104


def test_a_tree_larger_than_the_bound_is_held_all_the_same(tmp_path: Path) -> None:
    repository, scans = Repository(), Scans(KeptScans(tmp_path / "scans", scanner="1"), most=3)
    for _ in range(3):
        assert seen(scans, repository, many(10)) == truth(many(10))
    seen(Scans(KeptScans(tmp_path / "scans", scanner="1"), most=3), repository, many(10))
    assert len(repository.asked) == 10


def test_a_file_that_others_made_large_is_written_anew(tmp_path: Path) -> None:
    repository, kept = Repository(), KeptScans(tmp_path / "scans", scanner="1", most_bytes=2_000)
    scans = Scans(kept)
    seen(scans, repository, many(2))
    kept.add(dict.fromkeys(map(str, range(1_000)), SILENT), all_scans={})
    assert len(lines_of(tmp_path)) == 1 + 2 + 1_000
    seen(scans, repository, many(3))
    assert len(lines_of(tmp_path)) == 1 + 3
    assert seen(Scans(kept), repository, many(3)) == truth(many(3))
    assert len(repository.asked) == 3


def test_the_version_names_what_scans(tmp_path: Path) -> None:
    assert scanner_version() == scanner_version()
    seen(Scans.kept_in(tmp_path), Repository(), many(1))
    assert lines_of(tmp_path)[0].decode() == f"scans by {scanner_version()}"
