"""Which image the text of a field is of: it says so itself, a name beside it does, or what it came under."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from app.core.errors import Invalid
from app.core.flux.objects import Policy
from app.core.flux.tree import Field
from app.core.images import ImageName, ImageReference
from app.core.manifests.places import Part

_NAMING = (Part.REFERENCE, Part.NAME)


def image_in(field: Field) -> str | None:
    """The image that a field's own text names, as written there; None where it names none."""
    if field.marked.part not in _NAMING:
        return None
    try:
        reference = ImageReference.parse(field.marked.text)
    except Invalid:
        return None
    name = field.marked.text.partition("@")[0]
    return name.removesuffix(f":{reference.tag}") if reference.tag else name


def other_images(
    fields: Sequence[Field],
    policy: Policy,
    *,
    came_under: Mapping[Field, str] = MappingProxyType({}),
    known_as: Callable[[ImageName], ImageName] = lambda image: image,
) -> Mapping[Field, str]:
    """Those of a policy's fields whose text is of another image than it chooses from, and that image as written.

    `came_under` is the policy's image when a text came, which tells where nothing in the file does; `known_as` gives
    the name by which a registry of several hosts is known.
    """
    named = {**came_under, **_images_of(fields)}
    return {one: text for one, text in named.items() if _is_other(text, policy, known_as)}


def _is_other(text: str, policy: Policy, known_as: Callable[[ImageName], ImageName]) -> bool:
    if policy.image is None or text == policy.image_text:
        return False
    try:
        return known_as(ImageName.parse_any(text)) != known_as(policy.image)
    except Invalid:
        return False


def _images_of(fields: Iterable[Field]) -> Mapping[Field, str]:
    """The image of each of one policy's fields, as named by its own text or by one beside it in the same file.

    Left out are the fields of which no text in their file tells.
    """
    by_file: dict[str, list[Field]] = defaultdict(list)
    for field in fields:
        by_file[field.file].append(field)
    found: dict[Field, str] = {}
    for together in by_file.values():
        found |= _images_in_file(sorted(together, key=_place))
    return found


def _images_in_file(together: Sequence[Field]) -> Mapping[Field, str]:
    """The images of the fields of one file, in order: where as many stand there as names, each is of one in turn."""
    found = {one: image for one in together if (image := image_in(one)) is not None}
    names = list(found)
    for part in {one.marked.part for one in together} if names else ():
        alike = [one for one in together if one.marked.part is part]
        beside = names if len(alike) == len(names) else _nearest(alike, names)
        found |= {one: found[name] for one, name in zip(alike, beside, strict=True) if one not in found}
    return found


def _nearest(fields: Sequence[Field], names: Sequence[Field]) -> Sequence[Field]:
    """For each field the name next to it, by lines; the one above where two are as near."""
    places = list(map(_place, names))
    found: list[Field] = []
    for one in fields:
        index = bisect_left(places, _place(one))
        around = names[max(index - 1, 0) : index + 1]
        found.append(min(around, key=lambda name: abs(name.marked.line - one.marked.line)))
    return found


def _place(field: Field) -> tuple[int, int]:
    return field.marked.line, field.marked.start
