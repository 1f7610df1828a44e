"""The entries of a kustomization's `images`: newTag, newName and digest, added where they are missing.

Source: kustomize's image tag transformer. An entry is for the images of exactly its `name`. Where it has newTag and
digest both are written, and the digest decides what runs; so newTag alone beside an old digest would change nothing,
and a digest that is there is always a field.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.images import ImageName, InvalidImage, is_digest
from app.core.manifests.kinds.declared import DeclaredField, FieldScan, KustomizationImage
from app.core.manifests.kinds.overriding import neighbours_of_key
from app.core.manifests.kinds.yaml_paths import scalar_field, together
from app.core.manifests.places import Miss, Part, Problem, Refusal
from app.core.manifests.text.inserting import Pairs, add_items, add_list, add_pairs, fill_list
from app.core.manifests.text.nodes import MappingNode, SequenceNode
from app.core.manifests.text.scalars import Scalar
from app.core.manifests.text.seals import why_sealed
from app.core.manifests.text.setting import CannotSet, Edit, write_edits
from app.core.manifests.text.yaml_files import YamlFile
from app.core.policies.verdicts import quoted

_KEYS = {Part.NAME: "newName", Part.TAG: "newTag", Part.DIGEST: "digest"}
_IMAGES = "images"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where entries stand, as far as they are there: the file's mapping, its list of images, an image's entry."""

    top: MappingNode
    images: SequenceNode | Scalar | None = None
    entry: MappingNode | None = None


def find_kustomization_image(file: YamlFile, selector: KustomizationImage) -> FieldScan:
    """Find the fields of one image in a kustomization. What is missing is a field without text, where it would go."""
    place = _place(file, selector.name)
    if isinstance(place, Problem):
        return FieldScan(problems=(place,))
    results = together(_field(file, selector, place, part) for part in _wanted(selector, place))
    return FieldScan(
        tuple(one for one in results if isinstance(one, DeclaredField)),
        tuple(dict.fromkeys(one for one in results if isinstance(one, Problem))),
    )


def add_missing(file: YamlFile, changes: Sequence[tuple[DeclaredField, str]]) -> list[Edit]:
    """The edits that add missing keys and entries with these texts. Raises CannotSet."""
    by_name: dict[str, dict[Part, str]] = {}
    for field, new in changes:
        if isinstance(field.selector, KustomizationImage):
            by_name.setdefault(field.selector.name, {})[field.part] = new
    edits: list[Edit] = []
    new_entries: list[Pairs] = []
    around: _Place | None = None
    for name, texts in by_name.items():
        place = _place(file, name)
        if isinstance(place, Problem):
            raise CannotSet(place.line, place.what)
        pairs = [(key, texts[part]) for part, key in _KEYS.items() if part in texts]
        if place.entry is not None:
            edits.append(_add_keys(file, place.entry, pairs))
        else:
            new_entries.append([("name", name), *pairs])
            around = place
    if around is not None:
        edits.append(_add_entries(file, around, new_entries))
    return edits


def _place(file: YamlFile, name: str) -> _Place | Problem:
    tops = [one for one in file.documents if not isinstance(one, Scalar) or one.value or one.style]
    if len(tops) != 1 or not isinstance(tops[0], MappingNode) or not _is_kustomization(tops[0]):
        return Miss(1, "the file is no kustomization: declare kustomize's own files, of one document")
    top = tops[0]
    if top.is_merged:
        return Refusal(1, f"{_IMAGES} is not edited: the file takes keys from elsewhere with <<")
    match top.find(_IMAGES):
        case []:
            return _Place(top)
        case [SequenceNode() as images]:
            return _entry(file, top, images, name)
        case [Scalar() as blank] if blank.start == blank.end:
            return _Place(top, blank)
        case found:
            what = "no list" if len(found) == 1 else f"written {len(found)} times: keep one of them"
            return Refusal(file.line_of(found[-1]), f"{_IMAGES} is {what}")


def _entry(file: YamlFile, top: MappingNode, images: SequenceNode, name: str) -> _Place | Problem:
    entries = [item for item in images.items if isinstance(item, MappingNode) and not item.is_merged]
    if len(entries) < len(images.items):
        return Refusal(file.line_of(images), f"{_IMAGES} has items that are not written out here as mappings")
    named = [entry for entry in entries if entry.text("name") == name]
    if len(named) > 1:
        return Refusal(file.line_of(named[1]), f"{_IMAGES} has {len(named)} entries named {name}: keep one of them")
    return _Place(top, images, named[0]) if named else _meant_otherwise(file, entries, name) or _Place(top, images)


def _meant_otherwise(file: YamlFile, entries: Sequence[MappingNode], name: str) -> Problem | None:
    """That another entry is for the image of this name: one more entry would not be what is meant."""
    for entry in entries:
        other = entry.text("name")
        if _same_name(entry.text("newName"), name):
            does = "gives this image by its newName"
        elif _same_name(other, name):
            does = "is for the same image"
        else:
            continue
        what = f"the entry {quoted(other)} {does}: declare {other} in place of {name}"
        return Problem(file.line_of(entry), f"{_IMAGES} has no entry {quoted(name)}, and {what}")
    return None


def _same_name(one: str, other: str) -> bool:
    """Whether two texts name one repository, however it is written."""
    try:
        return ImageName.parse(one) == ImageName.parse(other)
    except InvalidImage:
        return False


def _is_kustomization(top: MappingNode) -> bool:
    group = top.text("apiVersion").partition("/")[0]
    return group in ("", "kustomize.config.k8s.io") and top.text("kind") in ("", "Kustomization", "Component")


def _wanted(selector: KustomizationImage, place: _Place) -> Sequence[Part]:
    if selector.parts:
        return [part for part in _KEYS if part in selector.parts]
    has_name = place.entry is not None and place.entry.find(_KEYS[Part.NAME])
    return [Part.NAME, Part.TAG, Part.DIGEST] if has_name else [Part.TAG, Part.DIGEST]


def _field(file: YamlFile, selector: KustomizationImage, place: _Place, part: Part) -> DeclaredField | Problem:
    where = f"{_IMAGES}[{selector.name}].{_KEYS[part]}"
    is_optional = part is Part.DIGEST and not selector.parts
    found = place.entry.find(_KEYS[part]) if place.entry is not None else []
    match found:
        case []:
            return _missing_field(file, selector, place, part, where)
        case [Scalar() as scalar]:
            is_optional &= not is_digest(scalar.value)
            return scalar_field(file, selector, scalar, part, where, is_optional=is_optional, has_own_digest=True)
        case [one]:
            return Refusal(file.line_of(one), f"{where} is not a single value")
        case [_, again, *_]:
            return Refusal(file.line_of(again), f"{where} is written {len(found)} times: keep one of them")
    return Refusal(1, f"{where} is not a single value")


def _missing_field(
    file: YamlFile, selector: KustomizationImage, place: _Place, part: Part, where: str
) -> DeclaredField | Problem:
    """The field that a key would be, where it would be put."""
    around = place.entry or place.top
    sealed = why_sealed(file.seals, around)
    if sealed is not None:
        return Refusal(file.line_of(around), f"{where} is not added: {sealed}")
    try:
        edit = _sample(file, selector.name, place, part)
        write_edits(file.text, file.outline, [edit])
    except CannotSet as error:
        return Refusal(error.line, str(error))
    start = file.text.bytes_before[edit.start]
    return DeclaredField(
        selector,
        part,
        where,
        start,
        start,
        file.text.line_of(edit.start),
        "",
        is_optional=part is Part.DIGEST and not selector.parts,
        is_missing=True,
        neighbours=neighbours_of_key(file, place.entry, _KEYS[part]) if place.entry is not None else (),
    )


def _sample(file: YamlFile, name: str, place: _Place, part: Part) -> Edit:
    """The edit that would add one key, for its place. Raises CannotSet."""
    pairs = [(_KEYS[part], "x")]
    if place.entry is not None:
        return _add_keys(file, place.entry, pairs)
    return _add_entries(file, place, [[("name", name), *pairs]])


def _add_keys(file: YamlFile, entry: MappingNode, pairs: Pairs) -> Edit:
    """Put keys into an entry: behind newTag, where it has one, else behind newName, else behind its name."""
    order = ["name", "newName", "newTag"]
    ranks = [order.index(key.value) if isinstance(key, Scalar) and key.value in order else -1 for key, _ in entry.pairs]
    return add_pairs(file, entry, after=ranks.index(max(ranks)), pairs=pairs)


def _add_entries(file: YamlFile, place: _Place, entries: Sequence[Pairs]) -> Edit:
    match place.images:
        case SequenceNode() as images:
            return add_items(file, images, entries)
        case Scalar() as blank:
            key = next(key for key, value in place.top.pairs if value is blank)
            return fill_list(file, place.top, key, blank, entries)
        case None:
            return add_list(file, place.top, _IMAGES, entries)
