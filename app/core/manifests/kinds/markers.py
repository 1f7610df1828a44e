"""Flux's `$imagepolicy` markers: which scalars carry one, and setting those scalars.

Source: image-automation-controller's setters. A marker is a comment that is a JSON object of strings with the key
`$imagepolicy`, and its value is `namespace:policy`, or that followed by `:tag`, `:name` or `:digest`.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from app.core.manifests.kinds.overriding import neighbours_of
from app.core.manifests.places import Neighbour, Part, Problem
from app.core.manifests.text.comments import Comment, attach, find_comments
from app.core.manifests.text.parsing import UTF_8, Unparsable, searchable
from app.core.manifests.text.scalars import BLOCK_STYLES, Scalar
from app.core.manifests.text.seals import why_sealed
from app.core.manifests.text.setting import CannotSet, Edit, edit_scalar, write_edits
from app.core.manifests.text.yaml_files import YamlFile, read_yaml

_KEY = "$imagepolicy"
_WORTH_PARSING = re.compile(rb"imagepolicy", re.IGNORECASE)
_MEANT_AS_MARKER = re.compile(r"""["'$]imagepolicy["']?\s*:""", re.IGNORECASE)
_WORTH_PARSING_TEXT = re.compile(_WORTH_PARSING.pattern.decode(), re.IGNORECASE)
_COMMENT_LINE = re.compile(r"#.*")
# A line of YAML behind a `#`, with another `#` before its marker: how people pin an image for a while.
_COMMENTED_OUT = re.compile(rf"#[#\s]*+(?:(?!{_MEANT_AS_MARKER.pattern}).)+?\s#", re.IGNORECASE)
_SUBSTITUTED = re.compile(r"""imagepolicy["']?\s*:\s*["'][^"']*\$\{""", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ODD_SEPARATOR = re.compile(r"\n---[^\S\n]*[^\s#]")

_MISWRITTEN = (
    'this is no marker that Flux reads: write {"$imagepolicy": "namespace:policy"}, with :tag, :name or :digest '
    "inside the quotes where only that part is wanted, and nothing else in the comment"
)
_FILLED_IN_LATER = (
    "this marker names its policy with ${…}, which Flux fills in only in the cluster, while its automation, as we, "
    'reads the file as it is in Git: name the policy itself, {"$imagepolicy": "namespace:policy"}'
)
_TEMPLATE = "the marker is ignored: its value is a template ({{)"
_MISPLACED = (
    "this marker belongs to no value: put it behind the value, on the same line, where no other comment stands "
    "(or, in a list, alone on the line above the item)"
)
# Source: image-automation-controller parses only files with the bytes of `"$imagepolicy"`.
_NOT_SCREENED = (
    "the marker is ignored: Flux looks for markers in UTF-8 only; save the file as UTF-8, or put a declaration in "
    "the fields of .fluxbridge.yaml in the place of the marker"
)
_INSIDE = (
    "this marker stands inside of a text, where Flux reads none: nothing sets it; take the text apart into values of "
    "their own, or declare the place in the fields of .fluxbridge.yaml"
)


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker asks for: a part of the image that a policy selected."""

    namespace: str
    policy: str
    part: Part

    def __str__(self) -> str:
        suffix = "" if self.part is Part.REFERENCE else f":{self.part}"
        return f"{self.namespace}:{self.policy}{suffix}"


@dataclass(frozen=True, slots=True)
class MarkedField:
    """A scalar with a marker.

    `start` and `end` are bytes of the file and enclose the scalar as written, quotes included; `line` counts from 1;
    `text` is its value now. `is_text` is false where YAML reads the value as a number, a boolean or null. `neighbours`
    decide in its place.
    """

    marker: Marker
    start: int
    end: int
    line: int
    text: str
    is_text: bool = True
    neighbours: tuple[Neighbour, ...] = ()

    @property
    def part(self) -> Part:
        """The part of the image that it holds."""
        return self.marker.part.as_in(self.text)

    def holds(self, text: str) -> bool:
        """Tell whether the scalar is this very string already."""
        return self.is_text and self.text == text


@dataclass(frozen=True, slots=True)
class RefusedMarker:
    """A marker that names a policy, on a value that cannot be set; `why` is among the problems of its scan too."""

    marker: Marker
    line: int
    why: str


@dataclass(frozen=True, slots=True)
class MarkerScan:
    """The marked fields of one file in order, and what looks like a marker and is none that can be used."""

    fields: tuple[MarkedField, ...] = ()
    problems: tuple[Problem, ...] = ()
    refused: tuple[RefusedMarker, ...] = ()


def find_markers(content: bytes) -> MarkerScan:
    """Find the marked fields of one file. Never raises: what cannot be used is a problem of the result."""
    if not _WORTH_PARSING.search(searchable(content)):
        return MarkerScan()
    try:
        return _scan(read_yaml(content))
    except Unparsable as error:
        return _unparsable(content, error)


def set_fields(content: bytes, new_texts: Mapping[int, str]) -> bytes:
    """Give marked fields new texts, each named by its `MarkedField.start`; no other byte changes.

    Quotes are kept; unquoted text that YAML would not read as a string gets double quotes. Raises CannotSet, with
    nothing edited, if a start names no marked field or the result would not parse to exactly these values.
    """
    if not new_texts:
        return content
    try:
        file = read_yaml(content)
    except Unparsable as error:
        raise CannotSet(error.line, "the file cannot be parsed") from error
    edited = write_edits(file.text, file.outline, edit_markers(file, new_texts))
    return file.text.written(edited)


def edit_markers(file: YamlFile, new_texts: Mapping[int, str]) -> list[Edit]:
    """The edits that give marked fields of a parsed file new texts, as in set_fields. Raises CannotSet."""
    text = file.text
    marked = {field.start: field for field in _scan(file).fields}
    for start in new_texts.keys() - marked.keys():
        raise CannotSet(text.line_of(bisect_left(text.bytes_before, start)), "no marked field starts there any more")
    scalars = {text.bytes_before[scalar.start]: scalar for scalar in file.outline.scalars}
    return [
        edit_scalar(text, file.outline, scalars[start], new)
        for start, new in new_texts.items()
        if not marked[start].holds(new)
    ]


def _scan(file: YamlFile) -> MarkerScan:
    text, scalars = file.text, file.outline.scalars
    comments = find_comments(text.characters, scalars)
    meant = [comment for comment in comments if _is_meant(text.characters, comment)]
    refusal = _refusal(file) if meant else None
    if refusal:
        return _as_scan(_refused(comment.text, text.line_of(comment.start), refusal) for comment in meant)
    owners = attach(text.characters, scalars, comments)
    read = (_read(file, comment, owners.get(comment)) for comment in comments)
    scan = _as_scan([*read, *_inside_scalars(file)])
    beside = neighbours_of(file, [field.start for field in scan.fields])
    fields = (replace(field, neighbours=beside.get(field.start, ())) for field in scan.fields)
    return replace(
        scan,
        fields=tuple(sorted(fields, key=lambda field: field.start)),
        problems=tuple(sorted(scan.problems, key=lambda problem: problem.line)),
    )


def _as_scan(results: Iterable[MarkedField | RefusedMarker | Problem | None]) -> MarkerScan:
    found = list(results)
    told = (Problem(one.line, one.why) if isinstance(one, RefusedMarker) else one for one in found)
    return MarkerScan(
        tuple(one for one in found if isinstance(one, MarkedField)),
        tuple(one for one in told if isinstance(one, Problem)),
        tuple(one for one in found if isinstance(one, RefusedMarker)),
    )


def _refused(comment: str, line: int, why: str) -> RefusedMarker | Problem:
    """What becomes of a comment that is meant as a marker where none counts: it still tells whose field is there."""
    marker = _read_marker(comment)
    return Problem(line, why) if marker is None else RefusedMarker(marker, line, why)


def _refusal(file: YamlFile) -> str | None:
    """Why no marker of a file counts, although it parses."""
    if file.text.encoding != UTF_8:
        return _NOT_SCREENED
    if not file.outline.has_only_mappings:
        return "the marker is ignored: Flux skips a file with a document that is no mapping"
    if _ODD_SEPARATOR.search(file.text.characters):
        return "the marker is ignored: Flux skips a file with more than a comment behind `---`"
    return None


def _read(file: YamlFile, comment: Comment, scalar: Scalar | None) -> MarkedField | RefusedMarker | Problem | None:
    text = file.text
    line = text.line_of(comment.start)
    marker = _read_marker(comment.text)
    if marker is None:
        return Problem(line, _why_none(comment.text)) if _is_meant(text.characters, comment) else None
    if scalar is None:
        return (
            RefusedMarker(marker, line, _TEMPLATE) if _is_behind_template(file, comment) else Problem(line, _MISPLACED)
        )
    why = _why_refused(file, scalar)
    if why is not None:
        return RefusedMarker(marker, line, why)
    start, end = text.bytes_before[scalar.start], text.bytes_before[scalar.end]
    return MarkedField(marker, start, end, text.line_of(scalar.start), scalar.value, scalar.is_text)


def _why_none(comment: str) -> str:
    """Why a comment that is meant as a marker is none."""
    return _FILLED_IN_LATER if _SUBSTITUTED.search(comment) else _MISWRITTEN


def _is_meant(characters: str, comment: Comment) -> bool:
    """Tell whether a comment may be meant as a marker: a line that is commented out as a whole is not."""
    before = characters[characters.rfind("\n", 0, comment.start) + 1 : comment.start]
    is_line = not before.strip()
    return _MEANT_AS_MARKER.search(comment.text) is not None and not (is_line and _COMMENTED_OUT.match(comment.text))


def _inside_scalars(file: YamlFile) -> Iterator[Problem]:
    """Markers in the content of scalars: of block scalars, of quoted texts, of YAML or JSON within YAML."""
    text = file.text
    for scalar in file.outline.scalars:
        written = text.characters[scalar.start : scalar.end]
        if not _WORTH_PARSING_TEXT.search(written) or not _MEANT_AS_MARKER.search(scalar.value):
            continue
        # A block scalar's own comment stands in its header and is none of its content.
        header = written.find("\n") if scalar.style in BLOCK_STYLES else 0
        first = text.line_of(scalar.start + max(header, 0))
        for line, content in enumerate(written[max(header, 0) :].split("\n"), start=first):
            if _WORTH_PARSING_TEXT.search(content) and not _COMMENTED_OUT.match(content.lstrip(" \t'\"")):
                yield Problem(line, _INSIDE)


def _why_refused(file: YamlFile, scalar: Scalar) -> str | None:
    """Why a value with a marker cannot be set."""
    if "{{" in scalar.value:
        return _TEMPLATE
    if scalar.tag is not None and not scalar.is_text:
        return "the marker is ignored: its value has an explicit type; remove the !! tag"
    sealed = why_sealed(file.seals, scalar)
    return None if sealed is None else f"the marker is ignored: {sealed}"


def _is_behind_template(file: YamlFile, comment: Comment) -> bool:
    """Whether a comment stands behind `{{ … }}` without quotes, which YAML takes for mappings."""
    line_start = file.text.characters.rfind("\n", 0, comment.start) + 1
    return "{{" in _QUOTED.sub("", file.text.characters[line_start : comment.start])


def _read_marker(comment: str) -> Marker | None:
    try:
        setter = json.loads(comment.lstrip("#"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(setter, dict) or not all(isinstance(value, str | None) for value in setter.values()):
        return None
    match str(setter.get(_KEY)).split(":"):
        case [namespace, policy]:
            part = Part.REFERENCE
        case [namespace, policy, "tag" | "name" | "digest" as suffix]:
            part = Part(suffix)
        case _:
            return None
    if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(policy):
        return None
    return Marker(namespace, policy, part)


def _unparsable(content: bytes, error: Unparsable) -> MarkerScan:
    """Of a template the markers still tell whose fields are there; what a broken file means nobody knows."""
    characters = searchable(content).decode("utf-8", errors="replace")
    is_template = "{{" in characters
    what = f"the marker is ignored: the file is {'a template' if is_template else 'not valid YAML'}; {error}"
    meant = _lines_meant_as_markers(characters)
    return _as_scan(_refused(comment, line, what) if is_template else Problem(line, what) for line, comment in meant)


def _lines_meant_as_markers(characters: str) -> Iterator[tuple[int, str]]:
    for line, written in enumerate(characters.split("\n"), start=1):
        comment = _COMMENT_LINE.search(written)
        if comment and _MEANT_AS_MARKER.search(comment.group()) and not _COMMENTED_OUT.match(written.lstrip()):
            yield line, comment.group()
