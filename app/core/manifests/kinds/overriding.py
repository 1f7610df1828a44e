"""Which value beside a field decides in its place: what is rendered has that one, whatever the field says.

Sources: kustomize's image tag transformer (entries in their order, a digest before a tag); source-controller (of an
OCIRepository digest, semver, tag count in this order, of a GitRepository commit, name, semver, tag, branch);
helm-controller (chartRef in place of chart, the version of a chart that is taken out of Git does not count, post
renderers come last); the common charts, which write a digest in place of the tag; and YAML, of whose keys that are
written twice the last counts.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.core.manifests.places import Neighbour
from app.core.manifests.text.nodes import MappingNode, Node, SequenceNode
from app.core.manifests.text.scalars import NOTHING, Scalar
from app.core.manifests.text.yaml_files import YamlFile

_TAG_KEY = re.compile(r"(?P<before>.*?)(?P<tag>tag|Tag|TAG)", re.DOTALL)
_DIGEST_WORDS = ("digest", "sha", "sha256")
_NAMES = ("repository", "newName", "name", "image")
REF_KEYS = {
    "OCIRepository": ("digest", "semver", "tag"),
    "GitRepository": ("commit", "name", "semver", "tag", "branch"),
}
"""The keys of a source's `spec.ref`, of which the first that is set counts."""
_OUT_OF_GIT = ("GitRepository", "Bucket")
_AT_DIGEST = "@sha256:"


@dataclass(frozen=True, slots=True)
class Step:
    """A mapping or list on the way to a value, and under which key or number it goes on."""

    node: MappingNode | SequenceNode
    key: str | int


@dataclass(slots=True)
class _Places:
    """Values by their first byte, with the way that leads to each."""

    file: YamlFile
    wanted: Sequence[int]
    found: dict[int, tuple[tuple[Step, ...], Scalar]] = field(default_factory=dict)

    def look(self) -> None:
        """Go through all documents."""
        waiting: list[tuple[tuple[Step, ...], Node]] = [((), one) for one in self.file.documents]
        while waiting:
            way, node = waiting.pop()
            if isinstance(node, Scalar):
                self._take(way, node)
            elif self._has_any(node):
                waiting.extend(((*way, step), child) for step, child in _children(node))

    def _has_any(self, node: Node) -> bool:
        """Whether something that is wanted starts in a node."""
        before = self.file.text.bytes_before
        return bisect_left(self.wanted, before[node.outer_start]) < bisect_left(self.wanted, before[node.end] + 1)

    def _take(self, way: tuple[Step, ...], node: Scalar) -> None:
        """Note what starts in a scalar, at its first byte or within it."""
        before = self.file.text.bytes_before
        first = bisect_left(self.wanted, before[node.start])
        last = bisect_left(self.wanted, max(before[node.end], before[node.start] + 1))
        for start in self.wanted[first:last]:
            self.found[start] = way, node


def neighbours_of(file: YamlFile, starts: Sequence[int]) -> Mapping[int, tuple[Neighbour, ...]]:
    """What decides in place of the values at these bytes of the file, for those where something does."""
    if not starts:
        return {}
    places = _Places(file, sorted(starts))
    places.look()
    beside = {start: tuple(_beside(file, way, node)) for start, (way, node) in places.found.items()}
    return {start: found for start, found in beside.items() if found}


def way_to(file: YamlFile, start: int) -> tuple[tuple[Step, ...], Scalar] | None:
    """The way from the top of its document to the value at this byte, and the value."""
    places = _Places(file, [start])
    places.look()
    return places.found.get(start)


def neighbours_of_key(file: YamlFile, mapping: MappingNode, key: str) -> tuple[Neighbour, ...]:
    """What would decide in place of a key that a mapping does not have yet."""
    return tuple(_of_mapping(file, mapping, key))


def _children(node: Node) -> Iterator[tuple[Step, Node]]:
    if isinstance(node, MappingNode):
        for key, value in node.pairs:
            yield Step(node, key.value if isinstance(key, Scalar) else ""), value
    elif isinstance(node, SequenceNode):
        for number, item in enumerate(node.items):
            yield Step(node, number), item


def _beside(file: YamlFile, way: Sequence[Step], node: Scalar) -> Iterator[Neighbour]:
    if not way or not isinstance(way[-1].node, MappingNode) or not isinstance(way[-1].key, str):
        return
    mapping, key = way[-1].node, way[-1].key
    yield from _of_mapping(file, mapping, key)
    yield from _of_images(file, way)
    yield from _of_source(file, way)
    yield from _of_chart(file, way)
    yield from _of_renderers(file, way, node)
    for step in way:
        if isinstance(step.node, MappingNode) and isinstance(step.key, str):
            yield from _written_again(file, step.node, step.key, node)


def _of_mapping(file: YamlFile, mapping: MappingNode, key: str) -> Iterator[Neighbour]:
    """A digest beside a tag."""
    tag = _TAG_KEY.fullmatch(key)
    if tag is None:
        return
    for name in ("digest",) if key == "newTag" else _digest_keys(tag["before"], tag["tag"]):
        yield from _written(file, mapping, name)
    for name in _NAMES:
        if _AT_DIGEST in mapping.text(name):
            yield from _written(file, mapping, name)


def _digest_keys(before: str, tag: str) -> list[str]:
    """The keys for a digest that go with a key for a tag: imageDigest with imageTag."""
    cases = {"tag": str.lower, "Tag": str.capitalize, "TAG": str.upper}
    return [before + cases[tag](word) for word in _DIGEST_WORDS]


def _of_images(file: YamlFile, way: Sequence[Step]) -> Iterator[Neighbour]:
    """Later entries of the same list `images` that take what an entry gives."""
    match way:
        case [*_, Step(MappingNode(), "images"), Step(SequenceNode() as images, int(number)), Step(MappingNode(), _)]:
            own = images.items[number]
        case _:
            return
    if not isinstance(own, MappingNode) or not own.text("name"):
        return
    given = own.text("newName") or own.text("name")
    yield from _given_otherwise(file, images.items[number + 1 :], given)


def _given_otherwise(file: YamlFile, entries: Sequence[Node], image: str) -> Iterator[Neighbour]:
    for entry in entries:
        if isinstance(entry, MappingNode) and entry.text("name") == image:
            for key in ("digest", "newTag"):
                yield from _written(file, entry, key, where=f"images[{image}].{key}")


def _of_source(file: YamlFile, way: Sequence[Step]) -> Iterator[Neighbour]:
    match way:
        case [*_, Step(MappingNode() as top, "spec"), Step(MappingNode(), "ref"), Step(MappingNode() as ref, str(key))]:
            order = REF_KEYS.get(top.text("kind"), ())
        case _:
            return
    if key in order:
        for stronger in order[: order.index(key)]:
            if key != "tag" or stronger != "digest":  # which _of_mapping has told
                yield from _written(file, ref, stronger, where=f"spec.ref.{stronger}")


def _of_chart(file: YamlFile, way: Sequence[Step]) -> Iterator[Neighbour]:
    keys = [step.key for step in way]
    top = next((s.node for s in way if isinstance(s.node, MappingNode) and s.node.text("kind")), None)
    if top is None or keys[-1] != "version":
        return
    kind = top.text("kind")
    if kind == "HelmRelease" and keys[-4:] == ["spec", "chart", "spec", "version"]:
        spec = top.mapping("spec")
        for chart in spec.find("chartRef")[-1:] if spec is not None else []:
            yield _neighbour(file, chart, "spec.chartRef", "")
    elif kind != "HelmChart" or keys[-2:] != ["spec", "version"]:
        return
    source = way[-1].node.mapping("sourceRef") if isinstance(way[-1].node, MappingNode) else None
    if source is not None and source.text("kind") in _OUT_OF_GIT:
        yield from _written(file, source, "kind", where="sourceRef.kind")


def _of_renderers(file: YamlFile, way: Sequence[Step], node: Scalar) -> Iterator[Neighbour]:
    """The images that a HelmRelease sets after its chart was rendered, where one is that of a field of its values."""
    match way:
        case [
            Step(MappingNode(), "spec"),
            Step(MappingNode() as spec, "values"),
            *_,
            Step(MappingNode() as own, str(key)),
        ]:
            names = _names_of(own, key, node)
        case _:
            return
    for renderer in _items(spec, "postRenderers") if names else []:
        kustomize = renderer.mapping("kustomize")
        entries = _items(kustomize, "images") if kustomize is not None else []
        for name in names:
            for one in _given_otherwise(file, entries, name):
                yield Neighbour(f"spec.postRenderers {one.where}", one.line, one.start, one.text)


def _names_of(mapping: MappingNode, key: str, node: Scalar) -> list[str]:
    """The names under which a rendered manifest may have the image that a value is a part of."""
    if key == "tag" and mapping.text("repository"):
        repository, registry = mapping.text("repository"), mapping.text("registry")
        return [repository, f"{registry}/{repository}"] if registry else [repository]
    name, colon, tag = node.value.partition("@")[0].rpartition(":")
    return [name] if colon and "/" not in tag else []


def _items(mapping: MappingNode, key: str) -> list[MappingNode]:
    lists = (one for one in mapping.find(key) if isinstance(one, SequenceNode))
    return [item for one in lists for item in one.items if isinstance(item, MappingNode)]


def _written_again(file: YamlFile, mapping: MappingNode, key: str, node: Scalar) -> Iterator[Neighbour]:
    """The same key further down in the same mapping."""
    found = mapping.find(key)
    if len(found) > 1 and found[-1].outer_start > node.start:
        last = found[-1]
        yield _neighbour(file, last, f"{key}, which is written again", last.value if isinstance(last, Scalar) else "")


def _written(file: YamlFile, mapping: MappingNode, key: str, *, where: str | None = None) -> Iterator[Neighbour]:
    """A key's value, where it says something."""
    for value in mapping.find(key)[-1:]:
        if not isinstance(value, Scalar) or (value.value and (value.style or value.value not in NOTHING)):
            yield _neighbour(file, value, where or key, value.value if isinstance(value, Scalar) else "")


def _neighbour(file: YamlFile, node: Node, where: str, text: str) -> Neighbour:
    start = node.start if isinstance(node, Scalar) else node.outer_start
    return Neighbour(where, file.line_of(node), file.text.bytes_before[start], text[:200])
