"""Fields in `.env` files: the values of keys, as dotenv and Docker Compose read them.

What readers disagree about is not edited. Kustomize's `envs` and `docker run --env-file` take quotes as part of the
value; so quotes that are there are kept, and none are added to what needs none, as tags and references do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.core.manifests.kinds.declared import DeclaredField, EnvKey, FieldScan
from app.core.manifests.places import Miss, Problem, Refusal
from app.core.manifests.text.excerpts import NoExcerpt, find_excerpt
from app.core.manifests.text.parsing import Unparsable, decode_utf_8
from app.core.manifests.text.partial_text import has_excerpt
from app.core.manifests.text.seals import why_sealed_lines
from app.core.manifests.text.setting import CannotSet
from app.core.manifests.text.splicing import Splice, splice
from app.core.policies.verdicts import quoted

_KEY = re.compile(rb"[ \t]*(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=")
_BLANKS = re.compile(rb"[ \t]*")
_COMMENT = re.compile(rb"[ \t]#")
_QUOTED = {
    b"'": re.compile(rb"'([^']*)'"),
    b'"': re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL),
}
_REST = re.compile(rb"[ \t]*(?:#[^\r\n]*)?\r?(?:\n|\Z)")
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9_./:@+%,=-]+")
# What a reader may take for more than itself within quotes of a kind.
_SPECIAL = {b"'": "'", b'"': '"\\$`'}


@dataclass(frozen=True, slots=True)
class _Assignment:
    """One `KEY=value`; `start` and `end` are bytes of the file and enclose the value without its quotes."""

    key: str
    start: int
    end: int
    quote: bytes = b""
    problem: str = ""


def find_env_fields(content: bytes, selector: EnvKey) -> FieldScan:
    """Find the value of a key. Never raises: a key that is missing, set twice or hard to read is a problem.

    An empty value is a field without bytes. `DeclaredField.text` is what stands between the quotes, escapes as written.
    """
    try:
        found = [one for one in _assignments(content) if one.key == selector.key]
    except Unparsable as error:
        return FieldScan(problems=(Problem(error.line, "the file is not UTF-8: save it as UTF-8"),))
    if not found:
        return FieldScan(problems=(Miss(1, f"no line sets {selector.key}"),))
    line = _line(content, found[-1].start)
    if len(found) > 1:
        before = _line(content, found[-2].start)
        return _refusal(line, f"{selector.key} is set on line {before} already: keep one of the two")
    (one,) = found
    why = one.problem or why_sealed_lines(content, content[one.start : one.end])
    if why:
        return _refusal(line, f"{selector.key} is not edited: {why}")
    start, end = one.start, one.end
    if selector.pattern is not None:
        try:
            inner_start, inner_end = find_excerpt(selector.pattern, content[start:end])
        except NoExcerpt as error:
            kind = Refusal if has_excerpt(selector.pattern, content[start:end].decode()) else Miss
            return FieldScan(problems=(kind(line, f"{selector.key} is not edited: {error}"),))
        start, end = start + inner_start, start + inner_end
    text = content[start:end].decode()
    return FieldScan((DeclaredField(selector, selector.part.as_in(text), selector.key, start, end, line, text),))


def set_env_fields(content: bytes, new_texts: Mapping[DeclaredField, str]) -> bytes:
    """Give values new texts, all or none; no other byte changes.

    Quotes are kept; an unquoted value gets single quotes where a reader would not take the new text as it stands.
    Raises CannotSet if a field is not there any more, or its place cannot hold the text.
    """
    changes = {field: new for field, new in new_texts.items() if not field.holds(new)}
    for field in changes:
        if not isinstance(field.selector, EnvKey) or find_env_fields(content, field.selector).fields != (field,):
            raise CannotSet(field.line, f"{field.where} is not what it was")
    if not changes:
        return content
    by_key = {one.key: one for one in _assignments(content)}
    edited = splice(
        content,
        [Splice(one.start, one.end, _written(by_key[one.where], one, new)) for one, new in changes.items()],
    )
    expected = _values(content, [Splice(one.start, one.end, new.encode()) for one, new in changes.items()])
    if _values(edited, []) != expected:
        raise CannotSet(min(field.line for field in changes), "the file would not mean exactly what was asked for")
    return edited


def _assignments(content: bytes) -> Iterator[_Assignment]:
    """Every assignment in order, those within values of several lines left out. Raises Unparsable."""
    position = len(decode_utf_8(content).mark)
    while position < len(content):
        found = _KEY.match(content, position)
        if found:
            one = _assignment(content, found[1].decode(), found.end())
            yield one
            position = one.end
        line_end = content.find(b"\n", position)
        position = line_end + 1 if line_end >= 0 else len(content)


def _assignment(content: bytes, key: str, equals: int) -> _Assignment:
    """Read a value from behind its `=` on."""
    blanks = _BLANKS.match(content, equals)
    start = blanks.end() if blanks else equals
    quote = content[start : start + 1]
    if quote in _QUOTED:
        found = _QUOTED[quote].match(content, start)
        if not found:
            return _Assignment(key, start, start, problem="its quotes are not closed")
        problem = "" if _REST.match(content, found.end()) else "there is more behind its quotes than a comment"
        return _Assignment(key, *found.span(1), quote, problem)
    line_end = content.find(b"\n", start)
    line = content[start : line_end if line_end >= 0 else len(content)].removesuffix(b"\r")
    if line.startswith(b"#"):
        problem = "readers disagree whether # behind = starts a comment: quote the value" if start == equals else ""
        return _Assignment(key, equals, equals, problem=problem)
    comment = _COMMENT.search(line)
    value = line[: comment.start() if comment else len(line)].rstrip(b" \t")
    if not value:
        return _Assignment(key, equals, equals)
    problem = "" if value.decode().isprintable() else "its value has characters that are not printable"
    return _Assignment(key, start, start + len(value), problem=problem)


def _written(assignment: _Assignment, field: DeclaredField, new: str) -> bytes:
    if not new or not new.isprintable():
        raise CannotSet(field.line, f"{quoted(new)} is not one line of printable text")
    if assignment.quote:
        if any(special in new for special in _SPECIAL[assignment.quote]):
            raise CannotSet(field.line, f"{quoted(new)} does not stay as it is within {assignment.quote.decode()}")
        return new.encode()
    if _NEEDS_NO_QUOTES.fullmatch(new):
        return new.encode()
    if "'" in new or (field.start, field.end) != (assignment.start, assignment.end):
        raise CannotSet(field.line, f"{quoted(new)} needs quotes that cannot be put there")
    return f"'{new}'".encode()


def _values(content: bytes, new: Sequence[Splice]) -> list[tuple[str, bytes]]:
    """Every key with its value, as it is once the new texts are in it."""
    values = []
    for one in _assignments(content):
        inside = [
            Splice(each.start - one.start, each.end - one.start, each.written)
            for each in new
            if one.start <= each.start and each.end <= one.end
        ]
        values.append((one.key, splice(content[one.start : one.end], inside)))
    return values


def _refusal(line: int, what: str) -> FieldScan:
    return FieldScan(problems=(Refusal(line, what),))


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
