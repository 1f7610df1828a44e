"""Which files of a folder change, and how, for its fields to have the images that were selected."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app.core.errors import Invalid
from app.core.flux.tree import Report
from app.core.manifests.declared import AnyField, DeclaredField
from app.core.manifests.markers import find_markers, set_fields
from app.core.manifests.parsing import Unparsable, decode, read_events
from app.core.manifests.places import Part, Problem
from app.core.manifests.setting import CannotSet
from app.core.promotion.selections import Selected

Settings: TypeAlias = Sequence[tuple[AnyField, str]]


@dataclass(frozen=True, slots=True)
class FileFields:
    """The fields of one file, each with the `namespace:name` of its policy, what is odd there, and how they are set.

    `contents` are those of the file and of the ones that are edited together with it, by path. `set` gives fields new
    texts and returns the new contents of the files that change; it raises CannotSet.
    """

    fields: tuple[tuple[str, AnyField], ...]
    problems: tuple[Problem, ...]
    contents: Mapping[str, bytes]
    set: Callable[[Settings], Mapping[str, bytes]]


FieldsOf: TypeAlias = Callable[[str, bytes], FileFields]


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """One field from its old to a new text."""

    file: str
    line: int
    policy: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class FileEdit:
    """A file that changes, with its whole content."""

    path: str
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class EditPlan:
    """What is to be written. `unset` are the selected policies that change nothing anywhere, and why."""

    files: tuple[FileEdit, ...]
    fields: tuple[FieldEdit, ...]
    reports: tuple[Report, ...]
    unset: Mapping[str, str]


class NoDigest(Invalid):
    """A field holds the digest of an image whose digest is not known."""

    def __init__(self, file: str, field: AnyField, selected: Selected) -> None:
        super().__init__(
            f"{file}:{field.line} wants the digest of {selected.image}:{selected.tag}, "
            "which the selection does not tell; add @sha256:…"
        )


def marked_fields(path: str, content: bytes) -> FileFields:
    """The fields that Flux's markers name. A file that cannot be parsed is a problem, with markers or without."""
    scan = find_markers(content)
    problems = scan.problems
    if not scan.fields and not problems:
        try:
            read_events(decode(content).characters)
        except Unparsable as error:
            kind = "a template" if b"{{" in content else "not valid YAML"
            problems = (Problem(error.line, f"the file is {kind}, nothing in it is edited: {error}"),)

    def set_marked(settings: Settings) -> Mapping[str, bytes]:
        return {path: set_fields(content, {field.start: new for field, new in settings})}

    fields = tuple((f"{one.marker.namespace}:{one.marker.policy}", one) for one in scan.fields)
    return FileFields(fields, problems, {path: content}, set_marked)


def plan_edits(
    files: Iterable[tuple[str, bytes]], selections: Mapping[str, Selected], *, fields_of: FieldsOf = marked_fields
) -> EditPlan:
    """Plan the edits of files, given by path and content. All fields of a policy change, or none."""
    found: list[_Found] = []
    reports: list[Report] = []
    for path, content in files:
        one = fields_of(path, content)
        reports += (Report(path, problem.line, problem.what) for problem in one.problems)
        if any(policy in selections for policy, _ in one.fields):
            found.append(_Found(path, one))
    seen = {policy for one in found for policy, _ in one.fields.fields}
    unset = dict.fromkeys(selections.keys() - seen, "no field of this policy was found")
    edits = _edit(found, selections, unset)
    fields = [
        FieldEdit(one.path, field.line, policy, field.text, new)
        for one in found
        for policy, field, new in one.settings(selections, selections.keys() - unset.keys())
        if not field.holds(new)
    ]
    return EditPlan(tuple(edits), tuple(fields), tuple(reports), dict(sorted(unset.items())))


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    fields: FileFields

    def settings(self, selections: Mapping[str, Selected], policies: Iterable[str]) -> list[tuple[str, AnyField, str]]:
        """The fields of these policies with their new texts. Raises NoDigest."""
        chosen = set(policies)
        texts = [
            (policy, field, _text_for(self.path, field, selections[policy]))
            for policy, field in self.fields.fields
            if policy in chosen
        ]
        return [(policy, field, text) for policy, field, text in texts if text is not None]

    def edited(self, selections: Mapping[str, Selected], policies: Iterable[str]) -> Mapping[str, bytes]:
        """The contents that change when the fields of these policies are set. Raises CannotSet, NoDigest."""
        new = self.fields.set([(field, text) for _, field, text in self.settings(selections, policies)])
        return {path: content for path, content in new.items() if content != self.fields.contents[path]}

    def policies(self, selections: Mapping[str, Selected]) -> set[str]:
        """The selected policies that have a field here."""
        return {policy for policy, _ in self.fields.fields} & selections.keys()


def _edit(found: Sequence[_Found], selections: Mapping[str, Selected], unset: dict[str, str]) -> list[FileEdit]:
    """The files that change. A policy that cannot be set somewhere is added to `unset` and set nowhere."""
    while True:
        refused: dict[str, str] = {}
        edits: list[FileEdit] = []
        for one in found:
            policies = one.policies(selections) - unset.keys()
            try:
                after = one.edited(selections, policies)
            except (CannotSet, NoDigest) as error:
                refused |= _refusals(one, selections, policies) or dict.fromkeys(policies, f"{one.path}: {error}")
            else:
                edits += (FileEdit(path, one.fields.contents[path], content) for path, content in after.items())
        if not refused:
            return edits
        unset |= refused


def _refusals(one: _Found, selections: Mapping[str, Selected], policies: Iterable[str]) -> dict[str, str]:
    """Which of the policies cannot be set in a file even alone, and why."""
    refused: dict[str, str] = {}
    for policy in policies:
        try:
            one.edited(selections, [policy])
        except CannotSet as error:
            refused[policy] = f"{one.path}: {error}"
        except NoDigest as error:
            refused[policy] = str(error)
    return refused


def _text_for(file: str, field: AnyField, selected: Selected) -> str | None:
    """What a field is to hold; None where it is set only if there is something for it, and there is nothing."""
    match field.part:
        case Part.REFERENCE:
            return str(selected)
        case Part.TAG | Part.VERSION:
            return selected.tag
        case Part.NAME:
            return selected.image
        case Part.DIGEST if selected.digest is None:
            if isinstance(field, DeclaredField) and field.is_optional:
                return None
            raise NoDigest(file, field, selected)
        case Part.DIGEST:
            return selected.digest
