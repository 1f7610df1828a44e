"""The index of scans: what was read once is not read again, and is never taken for anything else."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core.flux.paths import is_manifest
from app.core.flux.scanning import scan_file
from app.core.flux.tree import FluxTree, assemble
from app.core.ports import TreeEntry
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


@given(st.lists(st.tuples(trees, st.booleans()), max_size=8))
def test_a_warm_index_sees_what_a_cold_one_sees(history: list[tuple[Tree, bool]]) -> None:
    scans, repository = Scans(), Repository()
    for tree, is_another_repository in history:
        if is_another_repository:
            repository = Repository()
        assert seen(scans, repository, tree) == truth(tree)


@given(st.lists(trees, max_size=8))
def test_an_index_that_must_forget_sees_the_same(history: list[Tree]) -> None:
    scans, repository = Scans(most=2), Repository()
    for tree in history:
        assert seen(scans, repository, tree) == truth(tree)


def test_only_what_differs_is_read() -> None:
    repository, scans = Repository(), Scans()
    tree = many(5) | {"silent.yaml": (PLAIN, b"a: 1\n"), "policy.yaml": (PLAIN, CONTENTS[7])}
    before = seen(scans, repository, tree)
    assert len(repository.asked) == 7
    tree["apps/0.yaml"] = (PLAIN, MARKED % b"new")
    after = seen(scans, repository, tree)
    assert len(repository.asked) == 8
    assert after == truth(tree) != before


def test_each_blob_is_read_once_wherever_it_lies() -> None:
    repository, scans, content = Repository(), Scans(), (PLAIN, b"resources: [a.yaml]\n")
    seen(scans, repository, {"a/x.yaml": content, "b/y.yaml": content})
    assert len(repository.asked) == 1
    tree = {"b/z.yaml": content, "c/kustomization.yaml": content}
    assert seen(scans, repository, tree) == truth(tree)
    assert len(repository.asked) == 2


def test_what_is_beyond_the_bound_is_forgotten_and_read_again() -> None:
    repository, scans = Repository(), Scans(most=20)
    for number in range(100):
        tree = many(4) | {"changing.yaml": (PLAIN, MARKED % b"v%d" % number)}
        assert seen(scans, repository, tree) == truth(tree)
    assert len(repository.asked) == 104
    oldest = many(4) | {"changing.yaml": (PLAIN, MARKED % b"v0")}
    assert seen(scans, repository, oldest) == truth(oldest)
    assert len(repository.asked) == 105


def test_a_tree_larger_than_the_bound_is_held_all_the_same() -> None:
    repository, scans = Repository(), Scans(most=3)
    for _ in range(3):
        assert seen(scans, repository, many(10)) == truth(many(10))
    assert len(repository.asked) == 10
