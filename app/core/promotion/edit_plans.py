"""Which files of a folder change, and how, for its fields to have the images that were selected."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.errors import Invalid
from app.core.flux.from_rules import (
    Declaration,
    DeclarationScan,
    FoundByRules,
    Joined,
    declared_files,
    join_declared,
)
from app.core.flux.objects import Policy, PolicyName
from app.core.flux.overridden import report_overridden
from app.core.flux.paths import is_manifest
from app.core.flux.resolved import Field, Refused, Report
from app.core.images import ImageName
from app.core.manifests.editing import edit_file, files_beside, find_declared
from app.core.manifests.kinds.charts import without_stale_archives
from app.core.manifests.kinds.declared import AnyField, DeclaredField
from app.core.manifests.kinds.markers import Marker, MarkerScan, find_markers
from app.core.manifests.places import Problem
from app.core.manifests.text.parsing import searchable
from app.core.manifests.text.setting import CannotSet
from app.core.manifests.text.stand_ins import explain_stand_in
from app.core.nearest import did_you_mean
from app.core.promotion.field_texts import digest_in, tag_in, text_of
from app.core.promotion.given_images import Selected

# A marker is JSON, which may write any character as an escape.
_ESCAPED = re.compile(rb"imagepolicy[^\n]*\\u")


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


class Declaring(Protocol):
    """What rules say of fields and their policies. All else of rules takes a while to load and is not asked here."""

    @property
    def declarations(self) -> tuple[Declaration, ...]:
        """The fields without markers."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Those that stand in the rules instead of in objects of Flux."""


@dataclass(frozen=True, slots=True)
class NothingDeclared:
    """What a folder without rules declares."""

    declarations: tuple[Declaration, ...] = ()
    policies: tuple[Policy, ...] = ()


_NOTHING = NothingDeclared()


class NoDigest(Invalid):
    """A field holds the digest of an image whose digest is not known."""

    def __init__(self, file: str, field: AnyField, selected: Selected) -> None:
        super().__init__(
            f"{file}:{field.line} wants the digest of {selected.image}:{selected.tag}, "
            "which the selection does not tell; add @sha256:…"
        )


def plan_edits(
    files: Mapping[str, bytes],
    selections: Mapping[str, Selected],
    rules: Declaring = _NOTHING,
    *,
    paths: Collection[str] = (),
) -> EditPlan:
    """Plan the edits of files, given by their paths, with the fields that rules declare. All of a policy, or nothing.

    `paths` are all of the folder, also of what was not read: links, archives. A policy is named by `namespace:name` as
    in a marker; that there is an ImagePolicy of that name is not asked.
    """
    unread = frozenset(paths) - files.keys()
    joined = _find(files, unread, selections, rules, may_name=set(selections))
    if selections.keys() - _policies_in(joined):
        # What is there is looked at as a whole, to tell what may have been meant.
        joined = _find(files, unread, selections, rules, may_name=None)
    by_file: dict[str, list[Field]] = defaultdict(list)
    for one in joined.fields:
        if _key(one.policy) in selections:
            by_file[one.file].append(one)
    found = [_Found(path, some, _together(path, files), unread) for path, some in sorted(by_file.items())]
    refused = {_key(one.policy): str(one) for one in reversed(joined.refused)}
    seen = _policies_in(joined)
    unset = {one: _unseen(one, seen) for one in selections.keys() - seen}
    unset |= {policy: why for policy, why in refused.items() if policy in selections}
    edits = _edit(found, selections, unset)
    changes = [
        FieldEdit(one.path, field.line, policy, field.text, new)
        for one in found
        for policy, field, new in one.settings(selections, selections.keys() - unset.keys())
        if not field.holds(new)
    ]
    return EditPlan(tuple(edits), tuple(changes), joined.reports, dict(sorted(unset.items())))


def _find(
    files: Mapping[str, bytes],
    unread: Collection[str],
    selections: Mapping[str, Selected],
    rules: Declaring,
    *,
    may_name: Collection[str] | None,
) -> Joined:
    """Fields, marked and declared, those that cannot be written, and what a person should look at.

    With `may_name` only of files whose markers may name one of these policies.
    """
    marked: list[Field] = []
    refused: list[Refused] = []
    reports: list[Report] = []
    names = None if may_name is None else re.compile(b"|".join(re.escape(one.encode()) for one in sorted(may_name)))
    for path in filter(is_manifest, files):
        content = files[path]
        if names is not None and not (names.search(searchable(content)) or _ESCAPED.search(content)):
            continue
        scan = _scan(content)
        reports += (Report(path, problem.line, problem.what) for problem in scan.problems)
        marked += (Field(_named(one.marker), path, one) for one in scan.fields)
        refused += (Refused(_named(one.marker), path, one.line, one.why) for one in scan.refused)
    scans: list[DeclarationScan] = []
    archives = [path for path in (*files, *unread) if path.endswith(".tgz")]
    for path, declarations in declared_files(rules.declarations, sorted(files)).items():
        selectors = [one.selector for one in declarations]
        found = find_declared(path, _together(path, files), selectors, unreadable=unread)
        usable = [without_stale_archives(path, scan, archives) for scan in found]
        scans += (DeclarationScan(one, path, scan) for one, scan in zip(declarations, usable, strict=True))
    declared = FoundByRules(rules.policies, rules.declarations, tuple(scans))
    joined = join_declared(marked, declared, _Named(selections))
    reports += (*joined.reports, *report_overridden(joined.fields))
    return Joined(joined.fields, (*refused, *joined.refused), tuple(reports))


def _named(marker: Marker) -> PolicyName:
    return PolicyName("", marker.namespace, marker.policy)


def _scan(content: bytes) -> MarkerScan:
    """The fields that Flux's markers name; a file that says nothing of any is not parsed."""
    stand_in = explain_stand_in(content)
    return find_markers(content) if stand_in is None else MarkerScan(problems=(Problem(1, stand_in),))


@dataclass(frozen=True, slots=True)
class _Named:
    """Policies as selections tell of them, in place of objects."""

    selections: Mapping[str, Selected]

    def meant_by(self, namespace: str, policy: str, file: str) -> Policy:
        """The policy of that name: of what it chooses only the image and whether it has a digest is known."""
        selected = self.selections.get(f"{namespace}:{policy}")
        return Policy(
            name=PolicyName("", namespace, policy),
            file=file,
            image=ImageName.parse_any(selected.image) if selected else None,
            image_text=selected.image if selected else "",
            spec=None,
            digest_reflection="Always" if selected and selected.digest else "Never",
        )


def _policies_in(joined: Joined) -> set[str]:
    return {_key(one.policy) for one in joined.fields} | {_key(one.policy) for one in joined.refused}


def _key(policy: PolicyName) -> str:
    return f"{policy.namespace}:{policy.name}"


def _together(path: str, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    return {name: files[name] for name in (path, *files_beside(path)) if name in files}


@dataclass(frozen=True, slots=True)
class _Found:
    """The fields of one file, and the contents of all that change together with it; `unread` are other paths."""

    path: str
    fields: Sequence[Field]
    contents: Mapping[str, bytes]
    unread: Collection[str]

    def settings(
        self, selections: Mapping[str, Selected], policies: Iterable[str]
    ) -> Iterator[tuple[str, AnyField, str]]:
        """The fields of these policies with their new texts. Raises NoDigest."""
        chosen = set(policies)
        for one in self.fields:
            key = _key(one.policy)
            text = _text_for(self.path, one.marked, selections[key]) if key in chosen else None
            if text is not None:
                yield key, one.marked, text

    def edited(self, selections: Mapping[str, Selected], policies: Iterable[str]) -> Mapping[str, bytes]:
        """The contents that change when the fields of these policies are set. Raises CannotSet, NoDigest."""
        settings = [(field, text) for _, field, text in self.settings(selections, policies)]
        return edit_file(self.path, self.contents, settings, unreadable=self.unread)

    def policies(self) -> set[str]:
        """The policies that have a field here."""
        return {_key(one.policy) for one in self.fields}


def _unseen(policy: str, seen: Collection[str]) -> str:
    meant = did_you_mean(policy, seen)
    return f"no field of this policy was found{f': {meant}' if meant else ''}"


def _edit(found: Sequence[_Found], selections: Mapping[str, Selected], unset: dict[str, str]) -> list[FileEdit]:
    """The files that change. A policy that cannot be set somewhere is added to `unset` and set nowhere."""
    while True:
        refused: dict[str, str] = {}
        edits: list[FileEdit] = []
        for one in found:
            policies = one.policies() - unset.keys()
            try:
                after = one.edited(selections, policies)
            except (CannotSet, NoDigest) as error:
                refused |= _refusals(one, selections, policies) or dict.fromkeys(policies, f"{one.path}: {error}")
            else:
                edits += (FileEdit(path, one.contents[path], content) for path, content in after.items())
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
    text = text_of(field.part, image=selected.image, tag=selected.tag, digest=selected.digest)
    if text is None and digest_in(field.part, field.text) and tag_in(field.part, field.text) == selected.tag:
        return field.text
    if text is None and not (isinstance(field, DeclaredField) and field.is_optional):
        raise NoDigest(file, field, selected)
    return text
