"""What `.fluxbridge.yaml` declares beside Flux's own objects: fields without markers, and policies."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from app.core.flux.globs import PathList
from app.core.flux.objects import Policy, PolicyName
from app.core.flux.resolved import Field, Refused, Report
from app.core.flux.spec_texts import Unreadable
from app.core.images import ImageReference, InvalidImage
from app.core.manifests.kinds.declared import Containers, DeclaredField, FieldScan, Selector
from app.core.manifests.places import Miss, Part, Refusal

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
class DeclarationScan:
    """What one declaration finds in one file."""

    declaration: Declaration
    file: str
    scan: FieldScan


@dataclass(frozen=True, slots=True)
class FoundByRules:
    """All that a config repository declares at one commit, and what each declaration finds in each of its files."""

    policies: tuple[Policy, ...] = ()
    declarations: tuple[Declaration, ...] = ()
    scans: tuple[DeclarationScan, ...] = ()


def declared_files(declarations: Sequence[Declaration], paths: Sequence[str]) -> dict[str, tuple[Declaration, ...]]:
    """The files that declarations are about, among the regular files of a commit, with those declarations in order."""
    listed = PathList(paths)
    found: dict[str, list[Declaration]] = defaultdict(list)
    for declaration in declarations:
        for path in frozenset[str]().union(*map(listed.matching, declaration.files)) - {RULES_FILE}:
            found[path].append(declaration)
    return {path: tuple(found[path]) for path in sorted(found)}


class NamedPolicies(Protocol):
    """Finds policies by their names."""

    def meant_by(self, namespace: str, policy: str, file: str) -> Policy:
        """The policy that a field in a file means. Raises Unreadable where that is none, or not clear."""


@dataclass(frozen=True, slots=True)
class Joined:
    """All fields in the order of files, those that are there and cannot be written, and what is wrong."""

    fields: tuple[Field, ...]
    refused: tuple[Refused, ...]
    reports: tuple[Report, ...]


def join_declared(marked: Sequence[Field], declared: FoundByRules, policies: NamedPolicies) -> Joined:
    """Put marked and declared fields together.

    A place that two declarations, or a marker and a declaration, give to different policies is reported and no field;
    nor is then anything else that those declarations set in the file, for an image is set as a whole or not at all.
    What a pattern of files matches need not all have something to set, as long as one of the files has.
    """
    fields = list(marked)
    refused: list[Refused] = []
    reports: list[Report] = []
    for declaration, scans in _by_declaration(declared):
        for one in _found_by(declaration, scans, policies):
            match one:
                case Field():
                    fields.append(one)
                case Refused():
                    refused.append(one)
                case Report():
                    reports.append(one)
    by_file: dict[str, list[Field]] = defaultdict(list)
    for field in fields:
        by_file[field.file].append(field)
    kept: list[Field] = []
    for file in sorted(by_file):
        whole, taken, odd = _without_conflicts(file, by_file[file])
        kept += whole
        refused += taken
        reports += odd
    return Joined(tuple(kept), tuple(refused), tuple(reports))


def _by_declaration(declared: FoundByRules) -> Iterator[tuple[Declaration, Sequence[DeclarationScan]]]:
    scans: dict[str, list[DeclarationScan]] = defaultdict(list)
    for one in declared.scans:
        scans[one.declaration.key].append(one)
    for declaration in declared.declarations:
        yield declaration, scans[declaration.key]


def _found_by(
    declaration: Declaration, scans: Sequence[DeclarationScan], policies: NamedPolicies
) -> Iterator[Field | Refused | Report]:
    """The fields of one declaration in all files, and what is wrong with it."""
    if not scans:
        files = " or ".join(declaration.files)
        yield Report(RULES_FILE, None, f"{declaration.key}: no file of the repository matches {files}")
    has_any = False
    missed: list[_Missed] = []
    for one in scans:
        for found in _fields_of(one, policies):
            match found:
                case _Missed() if one.file in declaration.files:
                    what = f"{declaration.key} of {RULES_FILE}: {found.what}"
                    yield Report(found.file, found.line, what)
                case _Missed():
                    missed.append(found)
                case Field() | Refused() | Report():
                    has_any |= not isinstance(found, Report)
                    yield found
    if missed and not has_any:
        first = f"{missed[0].file}: {missed[0].what}"
        what = f"{declaration.key}: no file that its pattern matches has anything to set: {first}"
        yield Report(RULES_FILE, None, what)


@dataclass(frozen=True, slots=True)
class _Missed:
    """That a file has nothing of what a declaration is about."""

    file: str
    line: int | None
    what: str


def _fields_of(one: DeclarationScan, policies: NamedPolicies) -> Iterator[Field | Refused | Report | _Missed]:
    declaration, file = one.declaration, one.file
    try:
        policy = policies.meant_by(declaration.namespace, declaration.policy, file)
    except Unreadable as error:
        yield Report(file, None, f"{declaration.key} of {RULES_FILE}: {error}")
        policy = None
    for problem in one.scan.problems:
        if not isinstance(problem, Miss):
            yield Report(file, problem.line, f"{declaration.key} of {RULES_FILE}: {problem.what}")
            if isinstance(problem, Refusal) and policy is not None and _is_meant(policy, declaration, problem):
                yield Refused(policy.name, file, problem.line, problem.what)
        elif policy is not None:
            yield _Missed(file, problem.line, problem.what)
    if policy is None:
        return
    found = [field for field in one.scan.fields if _is_for(policy, field)]
    for field in found:
        yield Field(policy.name, file, field)
    if not found and not one.scan.problems:
        yield _Missed(file, None, _why_none(policy, one))


def _why_none(policy: Policy, one: DeclarationScan) -> str:
    if policy.image is None:
        return f"{policy.name} has no image"
    if isinstance(one.declaration.selector, Containers):
        return f"no container has the image {policy.image}"
    return f"only a digest stands there, and {policy.name} reflects none"


def _is_meant(policy: Policy, declaration: Declaration, refusal: Refusal) -> bool:
    """Whether a value that is not written is a policy's: of containers only one that has its image."""
    if not isinstance(declaration.selector, Containers):
        return True
    try:
        return policy.image is not None and ImageReference.parse(refusal.text).name == policy.image
    except InvalidImage:
        return False


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


_Owner: TypeAlias = tuple[PolicyName, Selector | int]


def _without_conflicts(file: str, fields: Sequence[Field]) -> tuple[list[Field], list[Refused], list[Report]]:
    """The fields of one file that are set for sure, and for each conflict of the same owners what it takes away."""
    clear: list[list[Field]] = []
    conflicts: dict[frozenset[_Owner], list[Field]] = {}
    for same in _meeting(fields):
        if all(_place(field) == _place(same[0]) for field in same):
            clear.append(same)
        else:
            conflicts.setdefault(frozenset(map(_owner, same)), same)
    if not conflicts:
        return [same[0] for same in clear], [], []
    owners = [frozenset(map(_owner, same)) for same in clear]
    taken_away = frozenset[_Owner]().union(*conflicts)
    kept = [same[0] for same, by in zip(clear, owners, strict=True) if taken_away.isdisjoint(by)]
    reports = [
        _conflict(file, same, takes_more=not all(between.isdisjoint(by) for by in owners))
        for between, same in conflicts.items()
    ]
    refused = [
        Refused(policy, file, report.line, report.what)
        for report, between in zip(reports, conflicts, strict=True)
        for policy in sorted({policy for policy, _ in between})
    ]
    return kept, refused, reports


def _owner(field: Field) -> _Owner:
    """What names a place: a declaration, all of whose fields in the file share it, or a marker, by where it stands."""
    marked = field.marked
    return field.policy, marked.selector if isinstance(marked, DeclaredField) else marked.start


def _place(field: Field) -> tuple[PolicyName, Part, int, int]:
    return field.policy, field.marked.part, field.marked.start, field.marked.end


def _conflict(file: str, same: Sequence[Field], *, takes_more: bool) -> Report:
    names = " and ".join(dict.fromkeys(_who(field) for field in same))
    edited = "not edited, nor what else they set in the file" if takes_more else "not edited"
    return Report(file, same[0].marked.line, f"set by {names}: {edited}; keep one of them")


def _who(field: Field) -> str:
    if isinstance(field.marked, DeclaredField):
        return f"{field.policy} ({field.marked.part} of {field.marked.where} in {RULES_FILE})"
    return f"{field.policy} ({field.marked.part} by its marker)"
