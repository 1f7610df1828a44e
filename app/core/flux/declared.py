"""What `.fluxbridge.yaml` declares beside Flux's own objects: fields without markers, and policies."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.flux.fields import Field, Report
from app.core.flux.globs import find_paths
from app.core.flux.objects import Policy, PolicyName
from app.core.flux.reading import Unreadable
from app.core.images import ImageReference
from app.core.manifests.declared import Containers, DeclaredField, FieldScan, Selector
from app.core.manifests.places import Part

RULES_FILE = ".fluxbridge.yaml"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One entry of `fields`: which policy sets what in which files. `key` is where it stands (`fields.0`)."""

    key: str
    namespace: str
    policy: str
    files: tuple[str, ...]
    selector: Selector


@dataclass(frozen=True, slots=True)
class DeclaredScan:
    """What one declaration finds in one file."""

    declaration: Declaration
    file: str
    scan: FieldScan


@dataclass(frozen=True, slots=True)
class Declared:
    """All that a config repository declares at one commit, and what each declaration finds in each of its files."""

    policies: tuple[Policy, ...] = ()
    declarations: tuple[Declaration, ...] = ()
    scans: tuple[DeclaredScan, ...] = ()


def declared_files(declarations: Sequence[Declaration], paths: Sequence[str]) -> dict[str, tuple[Declaration, ...]]:
    """The files that declarations are about, among the regular files of a commit, with those declarations in order."""
    found: dict[str, list[Declaration]] = defaultdict(list)
    for declaration in declarations:
        for path in find_paths(declaration.files, paths):
            if path != RULES_FILE:
                found[path].append(declaration)
    return {path: tuple(found[path]) for path in sorted(found)}


class NamedPolicies(Protocol):
    """Finds policies by their names."""

    def meant_by(self, namespace: str, policy: str, file: str) -> Policy:
        """The policy that a field in a file means. Raises Unreadable where that is none, or not clear."""


def join_declared(
    marked: Sequence[Field], declared: Declared, policies: NamedPolicies
) -> tuple[tuple[Field, ...], list[Report]]:
    """All fields in the order of files, and what is wrong with declarations.

    A place that two declarations, or a marker and a declaration, give to different policies is reported and no field.
    """
    fields, reports = list(marked), list(_idle(declared))
    for one in declared.scans:
        for found in _fields_of(one, policies):
            if isinstance(found, Field):
                fields.append(found)
            else:
                reports.append(found)
    by_file: dict[str, list[Field]] = defaultdict(list)
    for field in fields:
        by_file[field.file].append(field)
    kept: list[Field] = []
    for file in sorted(by_file):
        for same in _meeting(by_file[file]):
            if all(_is_same(field, same[0]) for field in same):
                kept.append(same[0])
            else:
                reports.append(_conflict(file, same))
    return tuple(kept), reports


def _idle(declared: Declared) -> Iterator[Report]:
    used = {one.declaration.key for one in declared.scans}
    for declaration in declared.declarations:
        if declaration.key not in used:
            files = " or ".join(declaration.files)
            yield Report(RULES_FILE, None, f"{declaration.key}: no file of the repository matches {files}")


def _fields_of(one: DeclaredScan, policies: NamedPolicies) -> Iterator[Field | Report]:
    declaration, file = one.declaration, one.file
    for problem in one.scan.problems:
        yield Report(file, problem.line, f"{declaration.key} of {RULES_FILE}: {problem.what}")
    try:
        policy = policies.meant_by(declaration.namespace, declaration.policy, file)
    except Unreadable as error:
        yield Report(file, None, f"{declaration.key} of {RULES_FILE}: {error}")
        return
    found = [field for field in one.scan.fields if _is_for(policy, field)]
    for field in found:
        yield Field(policy.name, file, field)
    if not found and not one.scan.problems:
        what = f"no container has the image {policy.image}" if policy.image else f"{policy.name} has no image"
        yield Report(file, None, f"{declaration.key} of {RULES_FILE}: {what}")


def _is_for(policy: Policy, field: DeclaredField) -> bool:
    """Whether a policy sets a field: containers by their image, and digests that may be absent if it reflects one."""
    if isinstance(field.selector, Containers):
        return policy.image is not None and ImageReference.parse(field.text).name == policy.image
    return not (field.is_optional and field.part is Part.DIGEST and policy.digest_reflection == "Never")


def _meeting(fields: Sequence[Field]) -> Iterator[list[Field]]:
    """The fields of one file, those together that stand in one place or overlap; markers before declarations."""
    missing: dict[str, list[Field]] = defaultdict(list)
    group: list[Field] = []
    end = -1
    for field in sorted(fields, key=lambda field: (field.marked.start, -field.marked.end)):
        if isinstance(field.marked, DeclaredField) and field.marked.is_missing:
            missing[field.marked.where].append(field)
        elif group and (field.marked.start < end or field.marked.start == group[0].marked.start):
            group.append(field)
            end = max(end, field.marked.end)
        else:
            if group:
                yield group
            group, end = [field], field.marked.end
    if group:
        yield group
    yield from missing.values()


def _is_same(one: Field, other: Field) -> bool:
    return _place(one) == _place(other)


def _place(field: Field) -> tuple[PolicyName, Part, int, int]:
    return field.policy, field.marked.part, field.marked.start, field.marked.end


def _conflict(file: str, same: Sequence[Field]) -> Report:
    names = " and ".join(dict.fromkeys(_who(field) for field in same))
    return Report(file, same[0].marked.line, f"set by {names}: not edited; keep one of them")


def _who(field: Field) -> str:
    if isinstance(field.marked, DeclaredField):
        return f"{field.policy} ({field.marked.part} of {field.marked.where} in {RULES_FILE})"
    return f"{field.policy} ({field.marked.part} by its marker)"
