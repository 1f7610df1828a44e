"""What a Kustomization of Flux makes of a field's text, as far as the files in Git show it.

Sources: kustomize applies what a kustomization.yaml says of its resources in this order: components, patches, images,
replacements; then the kustomization that brings it in, and so on. Flux's kustomize-controller adds `spec.patches` and
`spec.components` to the uppermost one, and puts `spec.images` in the place of its entries of the same name.
"""

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from posixpath import basename, dirname, join, normpath
from typing import TypeAlias

from app.core.flux.objects import FluxKustomization
from app.core.flux.patches import Patch, Spot, images_in, settings_of, spot_of
from app.core.flux.resolved import Field
from app.core.kustomize.rendered import KUSTOMIZE_FILES
from app.core.manifests.kinds.overriding import Step, way_to
from app.core.manifests.text.nodes import MappingNode, SequenceNode
from app.core.manifests.text.parsing import Unparsable
from app.core.manifests.text.scalars import Scalar
from app.core.manifests.text.yaml_files import YamlFile, read_yaml

_MOST_STEPS = 100
_PATCH_LISTS = ("patchesStrategicMerge", "patches", "patchesJson6902")

Read: TypeAlias = Callable[[str], bytes | None]
"""The content of a regular file of the commit; None where there is none."""


@dataclass(frozen=True, slots=True)
class Override:
    """What decides in place of a field; `digest` is that of the image which it decides on, where it has one."""

    what: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class _Value:
    """A field's value on its way; `name` is empty where it is no part of an image that kustomize knows."""

    text: str
    name: str = ""
    tag: str = ""
    digest: str = ""
    by: str = ""

    @classmethod
    def of(cls, text: str, *, is_image: bool, by: str = "") -> "_Value":
        """Read a text; of an image `name[:tag][@digest]`, as kustomize splits it."""
        if not is_image:
            return cls(text, by=by)
        rest, _, digest = text.partition("@")
        name, colon, tag = rest.rpartition(":")
        name, tag = (name, tag) if colon and "/" not in tag else (rest, "")
        return cls(text, name, tag, digest, by)

    def means(self, other: "_Value") -> bool:
        """Whether this is what the other says, whatever registry an image comes from; a digest says more than a tag."""
        if not self.name:
            return self.text == other.text
        if self.digest:
            return self.digest == other.digest
        return self.tag == other.tag


@dataclass(frozen=True, slots=True)
class _Writing:
    """A mapping with images, patches and replacements: a kustomization.yaml, or the spec of a Flux Kustomization."""

    path: str
    file: YamlFile
    mapping: MappingNode
    is_of_flux: bool = False

    def where(self, node: MappingNode | SequenceNode | Scalar, what: str) -> str:
        """A place in words."""
        return f"{self.path}:{self.file.line_of(node)} {what}"

    def items(self, key: str) -> Sequence[MappingNode | Scalar]:
        """The items of a list that are mappings or texts."""
        lists = (one for one in self.mapping.find(key) if isinstance(one, SequenceNode))
        return [item for one in lists for item in one.items if isinstance(item, MappingNode | Scalar)]

    def texts(self, key: str) -> Sequence[str]:
        """The texts of a list."""
        return [one.value for one in self.items(key) if isinstance(one, Scalar)]

    def entries(self) -> Sequence[MappingNode]:
        """The entries of `images`."""
        return [one for one in self.items("images") if isinstance(one, MappingNode)]


@dataclass(frozen=True)
class Rendering:
    """What one Kustomization of Flux makes of files; `named_by` has the kustomization.yaml files that name each.

    `top` is the kustomization.yaml of its own folder, empty where there is none; `area` is what is built.
    """

    kustomization: FluxKustomization
    top: str
    area: Container[str]
    named_by: Mapping[str, Sequence[str]]
    read: Read
    _parsed: dict[str, YamlFile | None] = field(default_factory=dict, repr=False)
    _patches: dict[tuple[str, int], Sequence[Patch]] = field(default_factory=dict, repr=False)

    def override_of(self, one: Field) -> Override | None:
        """What decides in place of a field, by what stands between it and the cluster; None where nothing does."""
        file = self._yaml(one.file)
        found = way_to(file, one.marked.start) if file is not None else None
        if file is None or found is None:
            return None
        way, scalar = found
        entry = _entry(way)
        spot = spot_of(way) if entry is None else None
        if entry is not None:
            own = _Value(scalar.value, self._given_by(one.file, entry), *_tag_and_digest(entry))
        else:
            own = _Value.of(scalar.value, is_image=_is_of_container(way))
        if not own.name and spot is None:
            return None
        rendered = self._render(_Place(one.file, own, spot))
        if rendered.means(own):
            return None
        return Override(rendered.by, rendered.digest or None)

    def _given_by(self, file: str, entry: MappingNode) -> str:
        """The name of the image that an entry gives; its own where Flux puts another in the place of the entry."""
        name = entry.text("name")
        is_replaced = file == self.top and name in self._put_by_flux
        return name if is_replaced else entry.text("newName") or name

    @cached_property
    def _put_by_flux(self) -> set[str]:
        return {entry.text("name") for one in self._of_flux(set()) for entry in one.entries() if one.is_of_flux}

    def _render(self, place: "_Place") -> _Value:
        value = place.own
        visited = {place.file}
        for path in self.way_up(place.file):
            for writing in self._writings_of(path, visited):
                value = self._through(writing, value, place, visited)
            visited.add(path)
        for writing in self._of_flux(visited):
            value = self._through(writing, value, place, visited)
        return value

    def way_up(self, file: str) -> list[str]:
        """The kustomization.yaml files that bring a file in, from the inside out."""
        found: list[str] = []
        waiting = [file]
        while waiting and len(found) < _MOST_STEPS:
            above = [one for one in self.named_by.get(waiting.pop(0), ()) if one in self.area and one not in found]
            found += above
            waiting += above
        return found

    def _writings_of(self, path: str, visited: set[str]) -> Iterator[_Writing]:
        """A kustomization.yaml with its components before it, those behind the one that was come from; each once."""
        file = self._yaml(path)
        top = next((one for one in file.documents if isinstance(one, MappingNode)), None) if file else None
        if file is None or top is None or len(visited) > _MOST_STEPS:
            return
        own = _Writing(path, file, top)
        components = [self._inside(dirname(path), name) for name in own.texts("components")]
        known = [number for number, one in enumerate(components) if one in visited]
        for component in components[known[-1] + 1 if known else 0 :]:
            if component not in visited:
                visited.add(component)
                yield from self._writings_of(component, visited)
        yield own

    def _of_flux(self, visited: set[str]) -> Iterator[_Writing]:
        """The spec of the Kustomization itself, with the components that it adds before it."""
        file = self._yaml(self.kustomization.file)
        for top in file.objects() if file is not None else ():
            spec, metadata = top.mapping("spec"), top.mapping("metadata")
            is_flux = top.text("apiVersion").startswith("kustomize.toolkit.fluxcd.io/")
            if file is None or spec is None or metadata is None or not is_flux:
                continue
            if metadata.text("name") != self.kustomization.name:
                continue
            own = _Writing(self.kustomization.file, file, spec, is_of_flux=True)
            for name in own.texts("components"):
                yield from self._writings_of(self._inside(self.kustomization.path, name), visited)
            yield own

    def _through(self, writing: _Writing, value: _Value, place: "_Place", visited: Collection[str]) -> _Value:
        for patch in self._patches_behind(writing, visited):
            for text, is_sure in place.set_by(patch, value):
                by = f"{'' if is_sure else 'perhaps '}{patch.where} '{text[:200]}'"
                value = _Value.of(text, is_image=bool(value.name), by=by)
        replaced = self._put_by_flux if writing.path == self.top else ()
        for entry in writing.entries() if value.name else ():
            if entry.text("name") == value.name and entry.text("name") not in replaced:
                value = _with_entry(writing, entry, value)
        for one in writing.items("replacements"):
            if isinstance(one, MappingNode) and place.is_replaced_by(one):
                value = _Value("", value.name, "", "", f"perhaps {writing.where(one, 'replacements')}")
        return value

    def _patches_behind(self, writing: _Writing, visited: Collection[str]) -> Sequence[Patch]:
        """The patches of a kustomization in their order, only those behind the file that was come from."""
        key = (writing.path, writing.mapping.event)
        if key not in self._patches:
            self._patches[key] = list(self._patches_of(writing))
        found = self._patches[key]
        own = [number for number, patch in enumerate(found) if patch.file and patch.file in visited]
        return found[own[-1] + 1 if own else 0 :]

    def _patches_of(self, writing: _Writing) -> Iterator[Patch]:
        for key in _PATCH_LISTS:
            for number, item in enumerate(writing.items(key)):
                patch = self._patch(writing, item, f"{key}[{number}]")
                if patch is not None:
                    yield patch

    def _patch(self, writing: _Writing, item: MappingNode | Scalar, what: str) -> Patch | None:
        if isinstance(item, Scalar):
            path, inline, target = (item.value, "", None) if "\n" not in item.value else ("", item.value, None)
        else:
            path, inline = item.text("path"), item.text("patch")
            target = item.mapping("target")
        if not path:
            read = _parsed(inline.encode("utf-8", "replace"))
            return Patch(writing.where(item, what), read.documents, "", target) if read is not None else None
        file = normpath(join(dirname(writing.path), path))
        read = self._yaml(file)
        return Patch(f"{file} ({what})", read.documents, file, target) if read is not None else None

    def _inside(self, folder: str, name: str) -> str:
        """The kustomization.yaml that a folder's name stands for, or the file itself."""
        target = normpath(join(folder, name))
        if basename(target) in KUSTOMIZE_FILES:
            return target
        paths = [join("" if target == "." else target, one) for one in KUSTOMIZE_FILES]
        return next((one for one in paths if self._yaml(one) is not None), target)

    def _yaml(self, path: str) -> YamlFile | None:
        if path not in self._parsed:
            self._parsed[path] = _parsed(self.read(path))
        return self._parsed[path]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value comes from: its file, what it is there, and where in an object; None in an entry of `images`."""

    file: str
    own: _Value
    spot: Spot | None

    def set_by(self, patch: Patch, value: _Value) -> Iterator[tuple[str, bool]]:
        """What a patch sets here; of an entry's image, which may be in any object, any text with the same name."""
        if self.spot is not None:
            yield from ((one.text, one.is_sure) for one in settings_of(patch, self.spot))
            return
        for text in images_in(patch):
            if _Value.of(text, is_image=True).name == value.name:
                yield text, False

    def is_replaced_by(self, replacement: MappingNode) -> bool:
        """Whether a replacement of kustomize puts something here."""
        if self.spot is None:
            return False
        targets = [one for listed in replacement.find("targets") for one in _mappings_of(listed)]
        return any(_is_selected(target, self.spot) for target in targets)


def _parsed(content: bytes | None) -> YamlFile | None:
    try:
        return read_yaml(content) if content is not None else None
    except Unparsable:
        return None


def _entry(way: Sequence[Step]) -> MappingNode | None:
    """The entry of a kustomization's `images` that a value belongs to."""
    match way:
        case [Step(_, "images"), Step(SequenceNode()), Step(MappingNode() as entry, _)]:
            return entry if entry.text("name") else None
        case _:
            return None


def _is_of_container(way: Sequence[Step]) -> bool:
    """Whether a value is an image that kustomize looks for: of an item of `containers` or `initContainers`."""
    match way:
        case [*_, Step(_, "containers" | "initContainers"), Step(SequenceNode()), Step(_, "image")]:
            return True
        case _:
            return False


def _tag_and_digest(entry: MappingNode) -> tuple[str, str]:
    return entry.text("newTag"), entry.text("digest")


def _with_entry(writing: _Writing, entry: MappingNode, value: _Value) -> _Value:
    name = entry.text("newName") or value.name
    tag, digest = _tag_and_digest(entry)
    if not tag and not digest:
        return _Value(value.text, name, value.tag, value.digest, value.by)
    chosen = f"digest '{digest}'" if digest else f"newTag '{tag}'"
    return _Value(value.text, name, tag, digest, writing.where(entry, f"images[{entry.text('name')}] {chosen}"))


def _mappings_of(node: object) -> list[MappingNode]:
    return [one for one in node.items if isinstance(one, MappingNode)] if isinstance(node, SequenceNode) else []


def _is_selected(target: MappingNode, spot: Spot) -> bool:
    select = target.mapping("select")
    if select is None or select.text("kind") not in ("", spot.kind) or select.text("name") not in ("", spot.name):
        return False
    paths = [
        one.value
        for listed in target.find("fieldPaths")
        if isinstance(listed, SequenceNode)
        for one in listed.items
        if isinstance(one, Scalar)
    ]
    return any(_same_place(path, spot) for path in paths)


def _same_place(path: str, spot: Spot) -> bool:
    """Whether `spec.template.spec.containers.[name=app].image`, or with a number or `*`, is this place."""
    tokens = path.split(".")
    if len(tokens) != len(spot.place):
        return False
    return all(
        token in ("*", str(key)) or (bool(name) and token == f"[name={name}]")
        for token, (key, name) in zip(tokens, spot.place, strict=True)
    )
