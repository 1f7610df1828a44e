"""Flux's substitution of variables, in one scalar after the other.

Sources: fluxcd/pkg's envsubst (which operators there are, `$$` as an escape, names of letters, digits and `_`) and
kustomize-controller (an object is written as YAML, its variables filled in, and it is read again: so what stands there
may become a number, and values lose their line breaks).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache

from app.core.errors import Invalid
from app.core.manifests.documents import NotText, Value, read_documents
from app.core.manifests.parsing import Unparsable
from app.core.manifests.quoting import reads_as_text, write_single_quoted

_VARIABLE = re.compile(r"\$\{#?(\w+)")
_NAME = re.compile(r"\w+")
_SAFE = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+~-]*(?:[:@=$#{}^,%|*][A-Za-z0-9_./+~-]+)*")
_PLAIN_START = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`]|[-?:](?=\S)")
_NOT_PLAIN = re.compile(r":(?=\s|$)|\s#|[\x00-\x1f\x7f]|\s$")
_LONGEST = 100_000
_DEEPEST = 20


class BadSubstitution(Invalid):
    """What stands between `${` and `}` is nothing that Flux can fill in."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Flux cannot fill in {text[:200]!r}")


@dataclass(frozen=True, slots=True)
class Variables:
    """The values of variables; with `is_whole` those that are not among them are empty, else they are not known.

    `waiting` are those whose own values wait for others that are not known.
    """

    values: Mapping[str, str]
    is_whole: bool = True
    waiting: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, name: str) -> str | frozenset[str]:
        """A variable's value, or the names that are not known where it is not."""
        if name in self.waiting:
            return self.waiting[name]
        found = self.values.get(name, "" if self.is_whole else None)
        return frozenset({name}) if found is None else found


@dataclass(slots=True)
class Substitution:
    """Fills in variables; `missing` gathers the names of those that are not known, which stay as they are written."""

    variables: Variables
    missing: set[str] = field(default_factory=set)

    def value(self, value: Value) -> Value:
        """A value with all its variables filled in. Raises BadSubstitution."""
        match value:
            case str(text):
                return self.scalar(text) if "$" in text else text
            case dict():
                return {self._key(key): self.value(one) for key, one in value.items()}
            case list():
                return [self.value(one) for one in value]
            case _:
                return value

    def _key(self, key: str) -> str:
        return self.text(key) if "$" in key else key

    def scalar(self, text: str) -> Value:
        """What a string becomes: it is written as YAML writes it, filled in, and read again."""
        if "\n" in text:
            return self.text(text)
        is_plain = _PLAIN_START.match(text) is not None and not _NOT_PLAIN.search(text)
        return _as_read(self.text(text if is_plain else write_single_quoted(text)))

    def text(self, text: str) -> str:
        """A text with its variables filled in, as text. Raises BadSubstitution."""
        filled = _Reader(text, self).run()
        if len(filled) > _LONGEST:
            raise BadSubstitution(text)
        return filled


def variables_in(value: Value) -> frozenset[str]:
    """The names of the variables that a value has in it."""
    found: set[str] = set()
    waiting: list[Value] = [value]
    while waiting:
        match waiting.pop():
            case str(text):
                found.update(_VARIABLE.findall(text))
            case dict() as mapping:
                waiting += mapping.values()
            case list() as items:
                waiting += items
    return frozenset(found)


def uses_variables(value: Value) -> bool:
    """Whether substitution may change a value."""
    match value:
        case str(text):
            return "$" in text
        case dict():
            return any("$" in key or uses_variables(one) for key, one in value.items())
        case list():
            return any(map(uses_variables, value))
        case _:
            return False


@lru_cache(maxsize=10_000)
def _as_read(written: str) -> Value:
    if _SAFE.fullmatch(written):
        return written if reads_as_text(written) else NotText(written)
    try:
        (document,) = read_documents(f"? x\n: {written}\n")
    except (Unparsable, ValueError) as error:
        raise BadSubstitution(written) from error
    return document["x"] if isinstance(document, dict) and "x" in document else written


@dataclass(slots=True)
class _Reader:
    """Reads one text from the left to the right."""

    written: str
    substitution: Substitution
    at: int = 0

    def run(self) -> str:
        found: list[str] = []
        while self.at < len(self.written):
            start = self.written.find("$", self.at)
            if start < 0:
                break
            found.append(self.written[self.at : start])
            following = self.written[start + 1 : start + 2]
            self.at = start + 2
            if following == "{":
                found.append(self._expression(1))
            elif following == "$":
                found.append("$")
            else:
                found.append("$")
                self.at = start + 1
        return "".join(found) + self.written[self.at :]

    def _peek(self) -> str:
        return self.written[self.at : self.at + 1]

    def _take(self, *operators: str) -> str:
        """The first of these that stands here; none: empty."""
        for one in operators:
            if self.written.startswith(one, self.at):
                self.at += len(one)
                return one
        return ""

    def _expression(self, depth: int) -> str:
        """What stands behind `${`, up to its `}`."""
        start = self.at - 2
        if depth > _DEEPEST:
            raise BadSubstitution(self.written)
        is_length = bool(self._take("#"))
        name = _NAME.match(self.written, self.at)
        if name is None:
            raise BadSubstitution(self.written[start:])
        self.at = name.end()
        operator = (
            ""
            if is_length
            else self._take(
                *(":=", ":-", ":?", ":+", ":", "=", ",,", ",", "^^", "^"),
                *("//", "/#", "/%", "/", "##", "#", "%%", "%"),
            )
        )
        arguments = self._arguments(operator, depth)
        if not self._take("}"):
            raise BadSubstitution(self.written[start:])
        known = self.substitution.variables.of(name[0])
        if isinstance(known, frozenset):
            self.substitution.missing |= known
            return self.written[start : self.at]
        return str(len(known.encode())) if is_length else _OPERATIONS[operator](known, arguments)

    def _arguments(self, operator: str, depth: int) -> list[str]:
        match operator:
            case "" | "," | ",," | "^" | "^^":
                return []
            case ":=" | ":-" | ":?" | ":+" | "=":
                return ["".join(self._parts("}", depth))]
            case ":":
                found = [self._argument(":}", depth)]
                return [*found, self._argument("}", depth)] if self._take(":") else found
            case "/" | "//" | "/#" | "/%":
                found = [self._argument("/", depth, may_escape=True)]
                if not self._take("/"):
                    raise BadSubstitution(self.written)
                return found if self._peek() == "}" else [*found, self._argument("}", depth, may_escape=True)]
            case _:
                return [self._argument("}", depth)]

    def _parts(self, ends: str, depth: int) -> list[str]:
        found: list[str] = []
        while self._peek() and self._peek() not in ends:
            found.append(self._argument(ends, depth))
        return found

    def _argument(self, ends: str, depth: int, *, may_escape: bool = False) -> str:
        """One expression, or the text up to the next one or to one of `ends`."""
        if self._take("${"):
            return self._expression(depth + 1)
        found: list[str] = []
        while (one := self._peek()) and one not in ends and not self.written.startswith("${", self.at):
            if may_escape and self.written.startswith(("\\/", "\\\\", "$$"), self.at):
                self.at += 1
                one = self._peek()
            found.append(one)
            self.at += 1
        return "".join(found)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,9}", text) else None


def _part(text: str, arguments: list[str]) -> str:
    """`${name:position:length}`, which counts bytes."""
    raw, (position, *rest) = text.encode(), map(_number, arguments)
    if position is None or None in rest:
        return text
    start = max(len(raw) + position, 0) if position < 0 else position
    length = (rest[0] or 0) if rest else len(raw)
    end = len(raw) + length if length < 0 else start + length
    return raw[start:end].decode("utf-8", "replace") if end > start else ""


def _trimmed(text: str, pattern: str, *, is_longest: bool, is_at_end: bool) -> str:
    """A text without the beginning (or end) that a shell pattern matches."""
    matcher = _shell_pattern(pattern[:200])
    lengths = range(len(text), 0, -1) if is_longest else range(1, len(text) + 1)
    for length in lengths if len(text) <= 1_000 else ():
        part = text[len(text) - length :] if is_at_end else text[:length]
        if matcher(part):
            return text[: len(text) - length] if is_at_end else text[length:]
    return text


def _shell_pattern(pattern: str) -> Callable[[str], object]:
    """`*`, `?`, sets in brackets and escapes; one that is not whole matches nothing."""
    written = re.sub(r"\\(.)", lambda found: f"[{found[1]}]", pattern.replace("[^", "[!"), flags=re.DOTALL)
    if written.count("[") > written.count("]") or written.endswith("\\"):
        return lambda _text: None
    return re.compile(translate(written)).match


_OPERATIONS: Mapping[str, Callable[[str, list[str]], str]] = {
    "": lambda text, _: text,
    **dict.fromkeys((":=", ":-", ":?", ":+", "="), lambda text, given: text or "".join(given)),
    ",": lambda text, _: text[:1].lower() + text[1:],
    ",,": lambda text, _: text.lower(),
    "^": lambda text, _: text[:1].upper() + text[1:],
    "^^": lambda text, _: text.upper(),
    ":": _part,
    "//": lambda text, given: text.replace(given[0], "".join(given[1:])),
    "/": lambda text, given: text.replace(given[0], "".join(given[1:]), 1),
    "/#": lambda text, given: (
        text.replace(given[0], given[1], 1) if len(given) > 1 and text.startswith(given[0]) else text
    ),
    "/%": lambda text, given: (
        text.removesuffix(given[0]) + given[1] if len(given) > 1 and text.endswith(given[0]) else text
    ),
    "#": lambda text, given: _trimmed(text, given[0], is_longest=False, is_at_end=False),
    "##": lambda text, given: _trimmed(text, given[0], is_longest=True, is_at_end=False),
    "%": lambda text, given: _trimmed(text, given[0], is_longest=False, is_at_end=True),
    "%%": lambda text, given: _trimmed(text, given[0], is_longest=True, is_at_end=True),
}
