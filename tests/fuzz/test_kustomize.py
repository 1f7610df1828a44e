"""Whatever bases, components, overlays and patches there are, they make what kubectl makes of them.

A long run: `FLUXBRIDGE_FUZZ_EXAMPLES=10000 uv run pytest -n0 tests/fuzz/test_kustomize.py`.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.core.kustomize.kustomized import World, difference
from tests.extent import EXAMPLES
from tests.fuzz.contents import fuzz, timeout
from tests.parts import required_kubectl

pytestmark = timeout
RUNS = settings(fuzz, max_examples=max(1, EXAMPLES // 2))  # one run of kubectl takes as long as many other examples

Json: TypeAlias = "str | int | bool | dict[str, Json] | list[Json] | None"

NAMES = st.sampled_from(["web", "api", "db", "mail"])
NAMESPACES = st.sampled_from(["", "a", "b", "default"])
VERSIONS = {"ImagePolicy": "image.toolkit.fluxcd.io/v1", "ImageRepository": "image.toolkit.fluxcd.io/v1beta2"}
KINDS = st.sampled_from(sorted(VERSIONS))
KEYS = st.sampled_from(["x", "y", "z"])
SCALARS: st.SearchStrategy[Json] = st.sampled_from(["t", "1", "true", "", 1, 20, True, False])
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inside: st.lists(inside, max_size=2) | st.dictionaries(KEYS, inside, max_size=2), max_leaves=4
)
CHANGES: st.SearchStrategy[Json] = st.recursive(
    SCALARS | st.none(),
    lambda inside: st.dictionaries(st.sampled_from(["x", "y", "z", "$patch"]), inside, max_size=3) | st.lists(SCALARS),
    max_leaves=5,
).map(lambda value: with_directives(value))  # noqa: PLW0108 - it is defined below
TEXTS: st.SearchStrategy[Json] = st.sampled_from(["u", "v"])
LABELS = st.dictionaries(st.sampled_from(["l", "m"]), TEXTS, max_size=2)
POINTERS = st.sampled_from(
    [
        *("/spec", "/spec/x", "/spec/y", "/spec/z", "/spec/x/0", "/spec/x/-", "/spec/x/1", "/spec/x/-1", "/spec/x/y"),
        *("/metadata/labels", "/metadata/labels/l", "/metadata/annotations/k", "/metadata/name", "/metadata/namespace"),
    ]
)


def with_directives(value: Json) -> Json:
    """Directives that kustomize knows."""
    match value:
        case dict() as mapping:
            found = {key: with_directives(one) for key, one in mapping.items() if key != "$patch"}
            match mapping.get("$patch"):
                case "t":
                    return {"$patch": "delete"}
                case "1":
                    return {**found, "$patch": "replace"}
            return found
        case _:
            return value


@dataclass
class Tree:
    """Files as they are drawn."""

    files: dict[str, str] = field(default_factory=dict)
    objects: list[dict[str, Json]] = field(default_factory=list)

    def add(self, path: str, content: Json) -> None:
        """Write a document as JSON, which is YAML."""
        self.files[path] = json.dumps(content, indent=1)


def named(kind: str, name: str, namespace: str) -> dict[str, Json]:
    metadata: dict[str, Json] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata}


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Json]:
    one = named(draw(KINDS), draw(NAMES), draw(NAMESPACES))
    if labels := draw(LABELS):
        one["metadata"] = {**_mapping(one["metadata"]), "labels": labels}
    return {**one, "spec": {"x": ["a"], **draw(st.dictionaries(KEYS, VALUES, max_size=2))}}


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


@st.composite
def targets(draw: st.DrawFn) -> dict[str, Json]:
    parts = {
        "kind": st.sampled_from(["ImagePolicy", "ImageRepository", "Image.*", "Image"]),
        "name": st.sampled_from(["web", "w.*", "a|w", "api|web", "e"]),
        "namespace": st.sampled_from(["a", "default", "[ab]", ".*", "c"]),
        "labelSelector": st.sampled_from(["l=u", "l!=u", "!l", "l in (u, v)", "l notin (u),m", "l"]),
        "annotationSelector": st.sampled_from(["k", "k=u"]),
        "version": st.sampled_from(["v1", "v1.*"]),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(parts)), min_size=1, max_size=2, unique=True))
    return {key: draw(parts[key]) for key in chosen}


@st.composite
def merges(draw: st.DrawFn, known: list[dict[str, Json]]) -> dict[str, Json]:
    one = named(draw(KINDS), draw(NAMES), draw(NAMESPACES))
    if draw(st.integers(0, 4)) and known:
        one = {key: value for key, value in draw(st.sampled_from(known)).items() if key != "spec"}
    if draw(st.integers(0, 5)) == 0:
        return {**one, "$patch": draw(st.sampled_from(["delete", "replace"]))}
    more = {key: draw(LABELS) for key in ("labels", "annotations") if draw(st.booleans())}
    one["metadata"] = {**_mapping(one["metadata"]), **more}
    return {**one, "spec": draw(CHANGES)} if draw(st.integers(0, 3)) else one


@st.composite
def operations(draw: st.DrawFn) -> list[Json]:
    found: list[Json] = []
    for _ in range(draw(st.integers(1, 3))):
        op = draw(st.sampled_from(["add", "add", "replace", "remove", "test", "move", "copy"]))
        one: dict[str, Json] = {"op": op, "path": draw(POINTERS)}
        if op in ("add", "replace", "test"):
            is_text = str(one["path"]).startswith("/metadata/") and one["path"] != "/metadata/labels"
            one["value"] = draw(TEXTS if is_text else VALUES)
            if one["path"] == "/metadata/labels":
                one["value"] = draw(LABELS)
        if op in ("move", "copy"):
            one["from"] = draw(POINTERS.filter(lambda path: not path.startswith("/metadata")))
            one["path"] = draw(POINTERS.filter(lambda path: not path.startswith("/metadata")))
        found.append(one)
    return found


@st.composite
def kustomizations(draw: st.DrawFn, tree: Tree, folder: str, known: list[str], components: list[str]) -> None:
    """One more folder, which takes in files of its own and folders that there are."""
    content: dict[str, Json] = {}
    resources = draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known else []
    for number in range(draw(st.integers(0 if resources else 1, 2))):
        tree.objects.append(draw(objects()))
        tree.add(f"{folder}/{number}.yaml", tree.objects[-1])
        resources.append(f"{number}.yaml")
    content["resources"] = [f"../{one}" if one in known else one for one in resources]
    if draw(st.booleans()) and components:
        content["components"] = [f"../{draw(st.sampled_from(components))}"]
    if draw(st.booleans()):
        content["namespace"] = draw(NAMESPACES)
    if draw(st.integers(0, 2)) == 0:
        content["commonLabels"] = draw(LABELS)
    if draw(st.integers(0, 2)) == 0:
        content["labels"] = [{"pairs": draw(LABELS)}]
    if draw(st.integers(0, 2)) == 0:
        content["commonAnnotations"] = {"k": draw(st.sampled_from(["u", "v"]))}
    for number in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(["patches", "patches", "patchesStrategicMerge", "patchesJson6902"]))
        patch = draw(patches(tree, key, folder, number))
        listed = content.setdefault(key, [])
        assert isinstance(listed, list)
        listed.append(patch)
    if folder.startswith("component"):
        content |= {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    tree.add(f"{folder}/kustomization.yaml", content)


@st.composite
def patches(draw: st.DrawFn, tree: Tree, key: str, folder: str, number: int) -> Json:
    target = draw(targets())
    if key == "patchesJson6902":
        target.setdefault("name", "w.*")
    is_merge = key == "patchesStrategicMerge" or (key == "patches" and draw(st.booleans()))
    document: Json = draw(merges(tree.objects)) if is_merge else draw(operations())
    text: Json = json.dumps(document, indent=1)
    is_file = draw(st.booleans())
    if is_file:
        tree.add(f"{folder}/patch-{number}.yaml", document)
    if key == "patchesStrategicMerge":
        return f"patch-{number}.yaml" if is_file else text
    one: dict[str, Json] = {"path": f"patch-{number}.yaml"} if is_file else {"patch": text}
    if not is_merge or draw(st.booleans()):
        one["target"] = target
    if is_merge and draw(st.integers(0, 5)) == 0:
        one["options"] = {"allowNameChange": True}
    return one


@st.composite
def trees(draw: st.DrawFn) -> Mapping[str, bytes]:
    tree = Tree()
    known: list[str] = []
    components: list[str] = []
    for number in range(draw(st.integers(0, 2))):
        folder = f"base-{number}"
        draw(kustomizations(tree, folder, known, components))
        known.append(folder)
    for number in range(draw(st.integers(0, 1))):
        draw(kustomizations(tree, f"component-{number}", [], []))
        components.append(f"component-{number}")
    for number in range(draw(st.integers(0, 1))):
        draw(kustomizations(tree, f"overlay-{number}", known, components))
        known.append(f"overlay-{number}")
    draw(kustomizations(tree, "top", known, components))
    return {path: text.encode() for path, text in tree.files.items()}


@pytest.fixture(scope="module")
def kubectl() -> Path:
    return required_kubectl()


@RUNS
@given(files=trees())
def test_folders_are_built_as_kubectl_builds_them(files: Mapping[str, bytes], kubectl: Path) -> None:
    for path, content in files.items():
        note(f"=== {path}\n{content.decode()}")
    with tempfile.TemporaryDirectory() as folder:
        world = World.of(files, Path(folder), kubectl)
        theirs, said = world.built("top")
    build = world.build("top")
    note(said)
    if theirs is None:
        assert build.problems
    else:
        assert difference(build, theirs) == []
        assert build.problems == ()
