"""Finds declared fields in files of every format, and sets fields of any kind, all of a file together or none."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from posixpath import basename
from typing import TypeAlias

from app.core.manifests.kinds.charts import (
    Chart,
    find_dependencies,
    is_lock_file,
    leaves_lock_behind,
    lock_path,
    set_dependencies,
)
from app.core.manifests.kinds.declared import (
    AnyField,
    ChartDependency,
    DeclaredField,
    EnvKey,
    FieldScan,
    JsonPath,
    Selector,
)
from app.core.manifests.kinds.env_fields import find_env_fields, set_env_fields
from app.core.manifests.kinds.json_fields import find_json_fields, set_json_fields
from app.core.manifests.kinds.markers import MarkedField
from app.core.manifests.kinds.yaml_fields import find_in_yaml, set_in_yaml
from app.core.manifests.places import Neighbour, Part, Problem
from app.core.manifests.text.parsing import Unparsable, encoding_of
from app.core.manifests.text.setting import CannotSet
from app.core.manifests.text.stand_ins import explain_stand_in
from app.core.manifests.text.yaml_files import YamlFile, read_yaml

Settings: TypeAlias = Sequence[tuple[AnyField, str]]
Contents: TypeAlias = Mapping[str, bytes]
_Place: TypeAlias = tuple[Selector, str, Part]

_DIGEST_BEHIND = re.compile(r"@(sha256:[0-9a-f]{64})")
_LONGEST_BEHIND = len("@sha256:") + 64
_NOT_YAML = (JsonPath, EnvKey, ChartDependency)
_OF_ITS_CHART = Problem(1, "a lock file changes only with its chart: declare the chart's `dependency` instead")


def files_beside(path: str) -> tuple[str, ...]:
    """The files, if they exist, that are read and edited together with a file: the lock file of a chart."""
    lock = lock_path(path)
    return (lock,) if lock else ()


def find_declared(
    path: str, contents: Contents, selectors: Sequence[Selector], *, unreadable: Collection[str] = ()
) -> tuple[FieldScan, ...]:
    """Find the fields that each selector names in one file, which is parsed once; `contents` has files_beside too.

    `unreadable` are those of files_beside that are there but are no regular files. Never raises: what cannot be used
    is a problem of the result.
    """
    stand_in = explain_stand_in(contents[path])
    if is_lock_file(path) or stand_in:
        problem = Problem(1, stand_in) if stand_in else _OF_ITS_CHART
        return (FieldScan(problems=(problem,)),) * len(selectors)
    parsed: YamlFile | Problem | None = None
    scans: list[FieldScan] = []
    for selector in selectors:
        match selector:
            case JsonPath():
                scans.append(find_json_fields(contents[path], selector))
            case EnvKey():
                scans.append(find_env_fields(contents[path], selector))
            case ChartDependency():
                scans.append(find_dependencies(_chart(path, contents, unreadable), selector))
            case _:
                parsed = parsed or _parse(contents[path])
                scans.append(
                    FieldScan(problems=(parsed,)) if isinstance(parsed, Problem) else find_in_yaml(parsed, selector)
                )
    return tuple(_with_digests_behind(contents[path], scan) for scan in scans)


def _with_digests_behind(content: bytes, scan: FieldScan) -> FieldScan:
    """What was found in a file, where a pattern picks a tag out of `name:tag@digest` with the digest beside it."""
    return FieldScan(tuple(_with_digest_behind(content, one) for one in scan.fields), scan.problems)


def _with_digest_behind(content: bytes, field: DeclaredField) -> DeclaredField:
    if field.part is not Part.TAG or field.is_missing:
        return field
    encoding = encoding_of(content)
    width = len("@".encode(encoding))
    tail = content[field.end : field.end + width * _LONGEST_BEHIND].decode(encoding, "replace")
    behind = _DIGEST_BEHIND.match(tail)
    if behind is None:
        return field
    digest = Neighbour("the digest behind it", field.line, field.end + width, behind[1])
    return replace(field, neighbours=(*field.neighbours, digest))


def edit_file(
    path: str, contents: Contents, settings: Settings, *, unreadable: Collection[str] = ()
) -> dict[str, bytes]:
    """Give fields of one file new texts, all or none; returns each file that changed, also one of files_beside.

    The fields are those that were found in this very content, with the same `unreadable`. No byte changes but those of
    the fields and what is put in; each result is parsed again and compared. Raises CannotSet.
    """
    marked = {field.start: new for field, new in settings if isinstance(field, MarkedField)}
    declared = {field: new for field, new in settings if isinstance(field, DeclaredField)}
    others = {field: new for field, new in declared.items() if isinstance(field.selector, _NOT_YAML)}
    in_yaml = {field: new for field, new in declared.items() if field not in others}
    edited = dict(contents)
    if marked or in_yaml:
        edited[path] = set_in_yaml(contents[path], in_yaml, marked)
    for format_ in _NOT_YAML:
        changes = {field: new for field, new in others.items() if isinstance(field.selector, format_)}
        if changes:
            again = changes if edited == contents else _found_again(path, contents, edited, changes)
            edited |= _set_otherwise(path, edited, again, format_, unreadable)
    if leaves_lock_behind(_chart(path, contents, unreadable), _chart(path, edited, unreadable)):
        line = min(field.line for field, _ in settings)
        raise CannotSet(line, "the lock file would no longer agree with the chart: declare the field as a `dependency`")
    return {name: content for name, content in edited.items() if content != contents[name]}


def _set_otherwise(
    path: str,
    contents: Contents,
    changes: Mapping[DeclaredField, str],
    format_: type[Selector],
    unreadable: Collection[str],
) -> dict[str, bytes]:
    if format_ is JsonPath:
        return {path: set_json_fields(contents[path], changes)}
    if format_ is EnvKey:
        return {path: set_env_fields(contents[path], changes)}
    chart = set_dependencies(_chart(path, contents, unreadable), changes)
    lock = lock_path(path)
    return {path: chart.content} | ({lock: chart.lock} if lock and chart.lock is not None else {})


def _found_again(
    path: str, before: Contents, after: Contents, changes: Mapping[DeclaredField, str]
) -> dict[DeclaredField, str]:
    """The same fields where they are after other edits of the file: at one place there may be several, in order.

    Raises CannotSet.
    """
    selectors = tuple({field.selector for field in changes})
    then, now = (_by_place(path, contents, selectors) for contents in (before, after))
    again: dict[DeclaredField, str] = {}
    for field, new in changes.items():
        place = field.selector, field.where, field.part
        moved = dict(zip(then[place], now[place], strict=False)).get(field)
        if moved is None or moved.text != field.text or len(then[place]) != len(now[place]):
            raise CannotSet(field.line, f"{field.where} is not what it was")
        again[moved] = new
    return again


def _by_place(path: str, contents: Contents, selectors: Sequence[Selector]) -> Mapping[_Place, Sequence[DeclaredField]]:
    found: dict[_Place, list[DeclaredField]] = defaultdict(list)
    for scan in find_declared(path, contents, selectors):
        for one in scan.fields:
            found[one.selector, one.where, one.part].append(one)
    return found


def _chart(path: str, contents: Contents, unreadable: Collection[str]) -> Chart:
    lock = lock_path(path)
    return Chart(
        contents[path],
        contents.get(lock) if lock else None,
        is_of_helm_2=basename(path) == "requirements.yaml",
        has_unreadable_lock=lock in unreadable,
    )


def _parse(content: bytes) -> YamlFile | Problem:
    try:
        return read_yaml(content)
    except Unparsable as error:
        return Problem(error.line, str(error))
