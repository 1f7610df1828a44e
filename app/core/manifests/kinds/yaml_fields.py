"""Finds and sets every kind of field in a YAML file: declared ones and markers, in one pass, all or none."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from typing import TypeAlias, assert_never

from app.core.manifests.kinds.containers import find_containers
from app.core.manifests.kinds.declared import (
    Containers,
    DeclaredField,
    FieldScan,
    KustomizationImage,
    SourceRef,
    YamlPath,
)
from app.core.manifests.kinds.kustomize_images import add_missing, find_kustomization_image
from app.core.manifests.kinds.markers import edit_markers
from app.core.manifests.kinds.source_refs import find_source_ref
from app.core.manifests.kinds.yaml_paths import find_at_path, with_neighbours
from app.core.manifests.text.parsing import Unparsable
from app.core.manifests.text.partial_text import edit_excerpts
from app.core.manifests.text.scalars import Scalar
from app.core.manifests.text.setting import CannotSet, Edit, edit_scalar, write_edits
from app.core.manifests.text.yaml_files import YamlFile, read_yaml

YamlSelector: TypeAlias = KustomizationImage | YamlPath | SourceRef | Containers


def find_in_yaml(file: YamlFile, selector: YamlSelector) -> FieldScan:
    """Find the fields that a declaration names in a parsed file, each with what decides in its place."""
    return with_neighbours(file, _find(file, selector))


def _find(file: YamlFile, selector: YamlSelector) -> FieldScan:
    match selector:
        case KustomizationImage():
            return find_kustomization_image(file, selector)
        case YamlPath():
            return find_at_path(file, selector)
        case SourceRef():
            return find_source_ref(file, selector)
        case Containers():
            return find_containers(file, selector)
        case _:
            assert_never(selector)


def set_in_yaml(content: bytes, declared: Mapping[DeclaredField, str], marked: Mapping[int, str]) -> bytes:
    """Give declared fields and markers of one file new texts, all or none; no other byte changes.

    Markers are named by `MarkedField.start`. Raises CannotSet if a field is not there any more, or the result would
    not parse to exactly these values.
    """
    try:
        file = read_yaml(content)
    except Unparsable as error:
        raise CannotSet(error.line, "the file cannot be parsed") from error
    edits = _edits(file, declared)
    if marked:
        edits += edit_markers(file, marked)
    edited = write_edits(file.text, file.outline, edits)
    return file.text.written(edited)


def _edits(file: YamlFile, declared: Mapping[DeclaredField, str]) -> list[Edit]:
    found = {
        field
        for selector in {field.selector for field in declared}
        if isinstance(selector, YamlSelector)
        for field in find_in_yaml(file, selector).fields
    }
    for field in declared.keys() - found:
        raise CannotSet(field.line, f"{field.where} is not what it was")
    changes = [(field, new) for field, new in declared.items() if not field.holds(new)]
    edits = add_missing(file, [(field, new) for field, new in changes if field.is_missing])
    scalars = sorted((*file.outline.scalars, *file.outline.blanks), key=lambda one: one.start)
    starts = [file.text.bytes_before[one.start] for one in scalars]
    excerpts: dict[Scalar, list[tuple[int, int, str]]] = defaultdict(list)
    for field, new in changes:
        scalar = scalars[bisect_right(starts, field.start) - 1]
        if isinstance(field.selector, YamlPath) and field.selector.pattern is not None:
            first, last = (bisect_left(file.text.bytes_before, byte) for byte in (field.start, field.end))
            excerpts[scalar].append((first, last, new))
        elif not field.is_missing:
            edits.append(edit_scalar(file.text, file.outline, scalar, new))
    edits += [edit_excerpts(file.text, file.outline, scalar, parts) for scalar, parts in excerpts.items()]
    return edits
