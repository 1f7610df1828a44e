"""Fields in umbrella charts: the versions of dependencies in Chart.yaml or requirements.yaml, with the lock file.

Where there is a lock file, what it holds is what is deployed. So it moves in the same edit: the entry's version, and
the digest over both files, without which Helm refuses the chart. A range in Chart.yaml that has the new version in it
stays as it is; any other text there becomes the version itself, and so does a range where no lock file says more.
`generated` in the lock file stays, which Helm never reads: so the same edit always makes the same bytes.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.manifests.kinds.chart_lock import Dependency, UnreadableDependency, helm_2_digest, lock_digest
from app.core.manifests.kinds.declared import ChartDependency, DeclaredField, FieldScan
from app.core.manifests.places import Part, Problem, Refusal
from app.core.manifests.text.documents import read_documents
from app.core.manifests.text.nodes import AliasNode, MappingNode, Node, SequenceNode
from app.core.manifests.text.parsing import Unparsable
from app.core.manifests.text.scalars import Scalar
from app.core.manifests.text.seals import why_sealed
from app.core.manifests.text.setting import CannotSet, set_scalars
from app.core.manifests.text.stand_ins import explain_stand_in
from app.core.manifests.text.yaml_files import YamlFile, read_yaml
from app.core.policies.semver_ranges import SemVerRange
from app.core.policies.spec import InvalidPolicy
from app.core.policies.verdicts import quoted
from app.core.policies.versions import parse_loose_version

LOCK_FILES = {"Chart.yaml": "Chart.lock", "requirements.yaml": "requirements.lock"}
_MOST_ENTRIES = 500
_EXACT = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?")


@dataclass(frozen=True, slots=True)
class Chart:
    """Chart.yaml, or requirements.yaml of a chart of Helm 2, and the lock file next to it where there is one.

    `has_unreadable_lock`: there is one, but it is no regular file, so what it holds is not known and cannot be edited.
    """

    content: bytes
    lock: bytes | None = None
    is_of_helm_2: bool = False
    has_unreadable_lock: bool = False


@dataclass(frozen=True, slots=True)
class _Dependencies:
    """The dependencies that a file lists, and where their versions stand; None where a version is no scalar."""

    file: YamlFile
    top: MappingNode
    entries: tuple[Dependency, ...]
    versions: tuple[Scalar | None, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Lock:
    """A lock file that agrees with its chart."""

    listed: _Dependencies
    digest: Scalar
    is_of_helm_2: bool


class _Unusable(Exception):
    """Why the fields of a chart cannot be set; `kind` is Refusal where they were found."""

    def __init__(self, line: int, why: str, kind: type[Problem] = Problem) -> None:
        super().__init__(why)
        self.line, self.why, self.kind = line, why, kind


def lock_path(path: str) -> str | None:
    """The path of the lock file that belongs to a file with dependencies; None where a file can have none.

    >>> lock_path("apps/web/Chart.yaml"), lock_path("apps/web/values.yaml")
    ('apps/web/Chart.lock', None)
    """
    folder, name = posixpath.split(path)
    return posixpath.join(folder, LOCK_FILES[name]) if name in LOCK_FILES else None


def is_lock_file(path: str) -> bool:
    """Tell whether a file is written by Helm to lock the dependencies of a chart."""
    return posixpath.basename(path) in LOCK_FILES.values()


def stale_archives(path: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The archives among paths that Helm takes for dependencies of the chart of this file, whatever it says.

    >>> stale_archives("shop/Chart.yaml", ["shop/charts/web-1.4.2.tgz", "charts/api-2.0.0.tgz", "shop/Chart.yaml"])
    ('shop/charts/web-1.4.2.tgz',)
    """
    folder = posixpath.join(posixpath.dirname(path), "charts/")
    return tuple(sorted(one for one in paths if one.startswith(folder) and one.endswith(".tgz")))


def without_stale_archives(path: str, scan: FieldScan, paths: Iterable[str]) -> FieldScan:
    """What was found in a file, with dependencies refused that are among the paths as archives too.

    Such a one cannot be moved by its version alone.
    """
    dependencies = [one for one in scan.fields if isinstance(one.selector, ChartDependency)]
    archives = stale_archives(path, paths) if dependencies else ()
    if not archives:
        return scan
    why = f"{archives[0]} would be left behind: take the archives of dependencies out of Git, or update them by hand"
    others = tuple(one for one in scan.fields if one not in dependencies)
    return FieldScan(others, (*scan.problems, Refusal(dependencies[0].line, why)))


def leaves_lock_behind(before: Chart, after: Chart) -> bool:
    """Tell whether an edit makes a chart one that its lock file no longer agrees with, or cannot be known to."""
    if before.has_unreadable_lock:
        return _entries(before) != _entries(after)
    return before.lock is not None and _agrees(before) and not _agrees(after)


def find_dependencies(chart: Chart, selector: ChartDependency) -> FieldScan:
    """Find the versions of a dependency by its name, its alias or its address.

    An address is `oci://host/path/name` or `https://host/path/name`.

    A chart that is there several times under aliases has several fields. With a lock file `DeclaredField.text` is the
    version that is locked. Never raises: what cannot be set is a problem, as are a lock file that cannot be read or
    does not agree with the chart, and charts without a registry (`file://`, or none, which are folders of the chart).
    """
    try:
        listed = _read(chart.content)
        lock = _read_lock(chart, listed)
        chosen = _choose(listed, lock, selector.name)
        return FieldScan(tuple(_field(listed, lock, index, selector) for index in chosen))
    except _Unusable as error:
        return FieldScan(problems=(error.kind(error.line, error.why),))


def set_dependencies(chart: Chart, new_versions: Mapping[DeclaredField, str]) -> Chart:
    """Give dependencies exact versions, in both files or in none; no other byte changes.

    Raises CannotSet if a field is not there any more, or a text is no version.
    """
    changes = {field: new for field, new in new_versions.items() if not field.holds(new)}
    if not changes:
        return chart
    for field, new in changes.items():
        if (
            not isinstance(field.selector, ChartDependency)
            or field not in find_dependencies(chart, field.selector).fields
        ):
            raise CannotSet(field.line, f"{field.where} is not what it was")
        if not _EXACT.fullmatch(new) or parse_loose_version(new) is None:
            raise CannotSet(field.line, f"{quoted(new)} is no version of a chart")
    edited = _edit(chart, changes)
    for field, new in changes.items():
        if new not in [one.text for one in _found(edited, field) if one.where == field.where]:
            raise CannotSet(field.line, "the files would not mean exactly what was asked for")
    return edited


def _found(chart: Chart, field: DeclaredField) -> tuple[DeclaredField, ...]:
    """What a field's own declaration finds."""
    return find_dependencies(chart, field.selector).fields if isinstance(field.selector, ChartDependency) else ()


def _agrees(chart: Chart) -> bool:
    """Tell whether a chart and its lock file agree, as Helm asks before it builds."""
    try:
        return _read_lock(chart, _read(chart.content)) is not None
    except _Unusable:
        return False


def _entries(chart: Chart) -> tuple[Dependency, ...]:
    """The dependencies of a chart; none where they cannot be read."""
    try:
        return _read(chart.content).entries
    except _Unusable:
        return ()


def _read(content: bytes) -> _Dependencies:
    """Read the list `dependencies` of a file. Raises _Unusable."""
    try:
        file = read_yaml(content)
        values = read_documents(file.text.characters)
    except Unparsable as error:
        raise _Unusable(error.line, str(error)) from error
    if len(file.documents) != 1 or not isinstance(file.documents[0], MappingNode) or not isinstance(values[0], dict):
        raise _Unusable(1, "the file is not one document with keys")
    top, value = file.documents[0], values[0].get("dependencies")
    _refuse_alias_keys(file, top)
    lists = top.find("dependencies")
    if len(lists) != 1 or not isinstance(lists[0], SequenceNode) or not isinstance(value, list):
        raise _Unusable(1, "the file has no list of dependencies, or more than one")
    if len(value) > _MOST_ENTRIES:
        raise _Unusable(file.line_of(lists[0]), f"the file has more than {_MOST_ENTRIES} dependencies")
    entries = []
    for node, written in zip(lists[0].items, value, strict=True):
        _refuse_alias_keys(file, node)
        try:
            entries.append(Dependency.read(written))
        except UnreadableDependency as error:
            raise _Unusable(file.line_of(node), f"this dependency cannot be read: {error}") from error
    versions = tuple(_only_scalar(node, "version") for node in lists[0].items)
    return _Dependencies(file, top, tuple(entries), versions, tuple(file.line_of(node) for node in lists[0].items))


def _refuse_alias_keys(file: YamlFile, node: Node) -> None:
    """A key that stands elsewhere may be any key, also one that is there already. Raises _Unusable."""
    for key, _ in node.pairs if isinstance(node, MappingNode) else ():
        if isinstance(key, AliasNode):
            raise _Unusable(file.line_of(key), f"*{key.name} stands in place of a key: write the key itself")


def _only_scalar(node: Node, key: str) -> Scalar | None:
    found = node.find(key) if isinstance(node, MappingNode) else []
    return found[0] if len(found) == 1 and isinstance(found[0], Scalar) else None


def _read_lock(chart: Chart, listed: _Dependencies) -> _Lock | None:
    """Read the lock file, if there is one. Raises _Unusable where it does not agree with the chart."""
    if chart.has_unreadable_lock:
        name = LOCK_FILES["requirements.yaml" if chart.is_of_helm_2 else "Chart.yaml"]
        raise _Unusable(1, f"{name} is no regular file that can be read and edited: put the lock file itself there")
    if chart.lock is None:
        return None
    stand_in = explain_stand_in(chart.lock)
    if stand_in is not None:
        raise _Unusable(1, f"the lock file cannot be used: it is {stand_in}")
    try:
        locked = _read(chart.lock)
    except _Unusable as error:
        raise _Unusable(1, f"the lock file cannot be used (its line {error.line}): {error.why}") from error
    if locked.file.seals:
        raise _Unusable(1, f"the lock file cannot be used: {locked.file.seals[0].why}")
    digest = _only_scalar(locked.top, "digest")
    are_parallel = [one.name for one in listed.entries] == [one.name for one in locked.entries]
    if digest is not None and are_parallel:
        if digest.value == lock_digest(listed.entries, locked.entries):
            return _Lock(locked, digest, is_of_helm_2=False)
        if chart.is_of_helm_2 and digest.value == helm_2_digest(listed.entries):
            return _Lock(locked, digest, is_of_helm_2=True)
    raise _Unusable(
        1,
        "the lock file does not agree with the dependencies, so Helm would refuse the chart: "
        "run helm dependency update and commit what it writes",
    )


def _choose(listed: _Dependencies, lock: _Lock | None, wanted: str) -> list[int]:
    """The numbers of the dependencies that a name, an alias or an address stands for. Raises _Unusable.

    Where a repository stands as `@name`, which means something on some machines only, the lock file has its address.
    """
    resolved = lock.listed.entries if lock else listed.entries
    wanted = wanted.rstrip("/")
    chosen = [
        index
        for index, (one, its) in enumerate(zip(listed.entries, resolved, strict=True))
        if wanted in (one.name, one.alias, _address(one), _address(its))
    ]
    if not chosen:
        raise _Unusable(1, f"no dependency has the name or alias {wanted}")
    for index in chosen:
        entry, line = listed.entries[index], listed.lines[index]
        if not entry.repository or entry.repository.startswith("file:"):
            raise _Unusable(
                line, f"{_label(entry)} comes from no registry but from a folder, which no version can move"
            )
        if listed.versions[index] is None:
            kind = Refusal if entry.version else Problem
            raise _Unusable(line, f"{_label(entry)} has no version of its own that can be set, or more than one", kind)
    entries = [listed.entries[index] for index in chosen]
    if len({_address(entry) for entry in entries}) > 1:
        raise _Unusable(
            listed.lines[chosen[1]],
            f"{wanted} stands for several charts: give the alias or the address, oci://… or https://…",
        )
    if len({_label(entry) for entry in entries}) < len(entries):
        raise _Unusable(
            listed.lines[chosen[1]], f"{wanted} is there several times: give each an alias of its own", Refusal
        )
    return chosen


def _address(entry: Dependency) -> str:
    return f"{entry.repository.rstrip('/')}/{entry.name}"


def _label(entry: Dependency) -> str:
    return entry.alias or entry.name


def _field(listed: _Dependencies, lock: _Lock | None, index: int, selector: ChartDependency) -> DeclaredField:
    written = listed.versions[index]
    counts = lock.listed.versions[index] if lock else written
    line, label = listed.lines[index], _label(listed.entries[index])
    if written is None or counts is None:
        raise _Unusable(line, f"{label} has no version in the lock file that can be set", Refusal)
    sealed = why_sealed(listed.file.seals, written)
    if sealed is not None:
        raise _Unusable(line, f"{label} is not edited: {sealed}", Refusal)
    text = listed.file.text
    return DeclaredField(
        selector=selector,
        part=Part.VERSION,
        where=f"dependencies[{label}].version",
        start=text.bytes_before[written.start],
        end=text.bytes_before[written.end],
        line=text.line_of(written.start),
        text=counts.value,
        is_text=counts.is_text,
    )


def _edit(chart: Chart, changes: Mapping[DeclaredField, str]) -> Chart:
    try:
        listed = _read(chart.content)
        lock = _read_lock(chart, listed)
    except _Unusable as error:
        raise CannotSet(error.line, error.why) from error
    starts = [scalar and listed.file.text.bytes_before[scalar.start] for scalar in listed.versions]
    new = {starts.index(field.start): text for field, text in changes.items()}
    kept = {index for index, text in new.items() if lock and _admits(listed.entries[index].version, text)}
    required = _with_versions(listed.entries, {index: text for index, text in new.items() if index not in kept})
    content = _set(listed, [(index, text) for index, text in new.items() if index not in kept])
    if lock is None:
        return replace(chart, content=content)
    locked = _with_versions(lock.listed.entries, new)
    digest = helm_2_digest(required) if lock.is_of_helm_2 else lock_digest(required, locked)
    return replace(chart, content=content, lock=_set(lock.listed, new.items(), (lock.digest, digest)))


def _admits(written: str, version: str) -> bool:
    """Tell whether a text in Chart.yaml is a range, no single version, that a version is in."""
    parsed = parse_loose_version(version)
    try:
        return parsed is not None and not _EXACT.fullmatch(written) and SemVerRange.parse(written).accepts(parsed)
    except InvalidPolicy:
        return False


def _with_versions(entries: Sequence[Dependency], new: Mapping[int, str]) -> list[Dependency]:
    return [replace(one, version=new.get(index, one.version)) for index, one in enumerate(entries)]


def _set(
    listed: _Dependencies,
    versions: Iterable[tuple[int, str]],
    *others: tuple[Scalar, str],
) -> bytes:
    text = listed.file.text
    wanted = [(listed.versions[index], new) for index, new in versions]
    edited = set_scalars(text, listed.file.outline, [(scalar, new) for scalar, new in (*wanted, *others) if scalar])
    return text.written(edited)
