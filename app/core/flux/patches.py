"""What patches of kustomize set at one place of one object, as far as their text alone tells.

Source: kustomize's patch transformers. A strategic merge patch without a target is for the object that it names; a
target's kind, name and namespace are anchored patterns; a patch that is a list has JSON Patch operations.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app.core.kustomize.selectors import InvalidSelector, fits
from app.core.manifests.kinds.overriding import Step
from app.core.manifests.text.nodes import MappingNode, Node, SequenceNode, mappings_in
from app.core.manifests.text.scalars import Scalar

_SELECTORS = ("labelSelector", "annotationSelector")

Place: TypeAlias = tuple[tuple[str | int, str], ...]
"""Keys and numbers on the way to a value, each with the `name` of the list's item that it leads to."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A value in an object of Kubernetes."""

    api_version: str
    kind: str
    namespace: str
    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch: where it is written, what it says, the file that holds it (empty: none) and the objects it is for."""

    where: str
    documents: tuple[Node, ...]
    file: str
    target: MappingNode | None


@dataclass(frozen=True, slots=True)
class Setting:
    """That a patch sets a text; `is_sure` is false where its selectors may pass over the object."""

    text: str
    is_sure: bool


def spot_of(way: Sequence[Step]) -> Spot | None:
    """Where a value stands in its object; None where it is in none."""
    steps = list(way)
    while len(steps) > 1 and _is_list(steps[0].node) and steps[0].key == "items":
        steps = steps[2:]
    top = steps[0].node if steps else None
    if not isinstance(top, MappingNode) or not top.text("kind"):
        return None
    metadata = top.mapping("metadata")
    name, namespace = (metadata.text("name"), metadata.text("namespace")) if metadata else ("", "")
    place = tuple((step.key, _item_name(step)) for step in steps)
    return Spot(top.text("apiVersion"), top.text("kind"), namespace, name, place)


def settings_of(patch: Patch, spot: Spot) -> Iterator[Setting]:
    """What a patch sets at a place, in order. Nothing where it is for other objects."""
    is_sure = patch.target is None or not any(map(patch.target.text, _SELECTORS))
    if patch.target is not None and not _is_target(patch.target, spot):
        return
    for document in patch.documents:
        if isinstance(document, SequenceNode):
            found = _by_operations(document, spot) if patch.target is not None else iter(())
        elif patch.target is not None or _is_named(document, spot):
            found = _at(document, spot.place, by_name=True)
        else:
            continue
        yield from (Setting(one.value, is_sure) for one in found)


def images_in(patch: Patch) -> Iterator[str]:
    """Every text under a key `image` of a patch, and every one that an operation puts at such a key."""
    for node in mappings_in(patch.documents):
        yield from (one.value for one in node.find("image") if isinstance(one, Scalar))
        if node.text("path").endswith("/image"):
            yield from (one.value for one in node.find("value") if isinstance(one, Scalar))


def _is_list(node: Node) -> bool:
    return isinstance(node, MappingNode) and node.text("kind").endswith("List")


def _item_name(step: Step) -> str:
    item = step.node.items[step.key] if isinstance(step.node, SequenceNode) and isinstance(step.key, int) else None
    return item.text("name") if isinstance(item, MappingNode) else ""


def _is_target(target: MappingNode, spot: Spot) -> bool:
    group, slash, version = spot.api_version.rpartition("/")
    parts = {"group": group if slash else "", "version": version, "kind": spot.kind, "name": spot.name}
    if spot.namespace:
        parts["namespace"] = spot.namespace
    try:
        return all(fits(target.text(key), text) for key, text in parts.items())
    except InvalidSelector:
        return False


def _is_named(document: Node, spot: Spot) -> bool:
    metadata = document.mapping("metadata") if isinstance(document, MappingNode) else None
    if not isinstance(document, MappingNode) or metadata is None:
        return False
    is_elsewhere = spot.namespace and metadata.text("namespace") not in ("", spot.namespace)
    return not is_elsewhere and (document.text("kind"), metadata.text("name")) == (spot.kind, spot.name)


def _by_operations(operations: SequenceNode, spot: Spot) -> Iterator[Scalar]:
    keys = [str(key) for key, _ in spot.place]
    for one in operations.items:
        if not isinstance(one, MappingNode) or one.text("op") not in ("add", "replace"):
            continue
        path = [token.replace("~1", "/").replace("~0", "~") for token in one.text("path").split("/")[1:]]
        if path != keys[: len(path)]:
            continue
        if one.text("op") == "add" and path and isinstance(spot.place[len(path) - 1][0], int):
            continue  # it puts an item before the one that is there
        for value in one.find("value")[-1:]:
            yield from _at(value, spot.place[len(path) :], by_name=False)


def _at(node: Node, place: Place, *, by_name: bool) -> Iterator[Scalar]:
    """The scalar at a place below a node; items of lists by their names as a merge finds them, or by their numbers."""
    for key, name in place:
        if isinstance(node, MappingNode):
            found = node.find(str(key))[-1:]
        elif isinstance(node, SequenceNode) and by_name:
            found = [one for one in node.items if name and isinstance(one, MappingNode) and one.text("name") == name]
        elif isinstance(node, SequenceNode):
            found = node.items[key : key + 1] if isinstance(key, int) else []
        else:
            found = []
        if not found:
            return
        node = found[0]
    if isinstance(node, Scalar):
        yield node
