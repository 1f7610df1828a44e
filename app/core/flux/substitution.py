"""Flux's substitution of variables, in one scalar after the other.

Sources: fluxcd/pkg's envsubst (which operators there are, `$$` as an escape, names of letters, digits and `_`) and
kustomize-controller (an object is written as YAML, its variables filled in, and it is read again: so what stands there
may become a number, and values lose their line breaks).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import re2

from app.core.errors import Invalid
from app.core.manifests.text.documents import NotText, Value, read_documents
from app.core.manifests.text.parsing import Unparsable
from app.core.manifests.text.quoting import reads_as_text, write_double_quoted, write_single_quoted

_VARIABLE = re.compile(r"\$\{#?(\w+)")
_NAME = re.compile(r"\w+")
_SAFE = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+~-]*(?:[:@=$#{}^,%|*][A-Za-z0-9_./+~-]+)*")
_PLAIN_START = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`]|[-?:](?=\S)")
_NOT_PLAIN = re.compile(r":(?=\s|$)|\s#|\s$")
_SPECIAL = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPED = r"\\.|[^\\\]-]"
_RANGE = re.compile(rf"(?P<low>{_ESCAPED})(?:-(?P<high>{_ESCAPED}))?", re.DOTALL)
_GLOB = re.compile(
    rf"(?P<star>\*)|(?P<any>\?)|\[(?P<not>\^)?(?P<set>(?:(?:{_ESCAPED})(?:-(?:{_ESCAPED}))?)+)\]|\\(?s:.)|[^\[\\]",
    re.DOTALL,
)
_LONGEST_PATTERN = 1_000
_MOST_WORK = 200_000
_DEEPEST = 20


class BadSubstitution(Invalid):
    """What stands between `${` and `}` is nothing that Flux can fill in."""

    def __init__(self, text: str, why: str = "") -> None:
        super().__init__(f"Flux cannot fill in {text[:200]!r}{why and ': '}{why}")


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

    def value(self, value: Value, before: str = "x: ") -> Value:
        """A value with all its variables filled in; `before` is what stands before it. Raises BadSubstitution."""
        match value:
            case str(text):
                return self._scalar(text, before) if "$" in text else text
            case dict():
                return {self._key(key): self.value(one) for key, one in value.items()}
            case list():
                return [self.value(one, before="- ") for one in value]
            case _:
                return value

    def _key(self, key: str) -> str:
        return self.text(key) if "$" in key else key

    def _scalar(self, text: str, before: str) -> Value:
        """What a string becomes: it is written as YAML writes it, filled in, and read again."""
        if "\n" in text:
            return self.text(text)
        if _SPECIAL.search(text):
            written = write_double_quoted(text)
        else:
            is_plain = _PLAIN_START.match(text) is not None and not _NOT_PLAIN.search(text)
            written = text if is_plain else write_single_quoted(text)
        return _as_read(self.text(written), before)

    def text(self, text: str) -> str:
        """A text with its variables filled in, as text. Raises BadSubstitution."""
        return _Reader(text, self).run()


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
def _as_read(written: str, before: str) -> Value:
    if _SAFE.fullmatch(written):
        return written if reads_as_text(written) else NotText(written)
    try:
        (document,) = read_documents(f"{before}{written}\n")
    except (Unparsable, ValueError) as error:
        raise BadSubstitution(written, "it is no YAML any more") from error
    match document:
        case {"x": value, **more} if not more:
            return value
        case [value]:
            return value
        case _:
            raise BadSubstitution(written, "it stands for more than one value")


@dataclass(slots=True)
class _Reader:
    """Reads one text from the left to the right."""

    written: str
    substitution: Substitution
    at: int = 0
    work: int = 0

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

    def _take_all(self, character: str) -> bool:
        """Whether it stands here; all of the same that follow are left out."""
        start = self.at
        while self._peek() == character:
            self.at += 1
        return self.at > start

    def _expression(self, depth: int) -> str:
        """What stands behind `${`, up to its `}`."""
        start = self.at - 2
        if depth > _DEEPEST:
            raise BadSubstitution(self.written, f"more than {_DEEPEST} expressions stand in each other")
        is_length = bool(self._take("#"))
        name = _NAME.match(self.written, self.at)
        if name is None:
            raise BadSubstitution(self.written[start:])
        self.at = name.end()
        operator = "" if is_length else self._take(*_OPERATORS)
        arguments = self._arguments(operator, depth)
        if not self._take("}"):
            raise BadSubstitution(self.written[start:])
        known = self.substitution.variables.of(name[0])
        if isinstance(known, frozenset):
            self.substitution.missing |= known
            return self.written[start : self.at]
        self._work(len(known) + sum(map(len, arguments)))
        if operator in ("/", "//") and len(arguments) > 1:
            self._work(len(arguments[1]) * known.count(arguments[0]))
        return str(len(known.encode())) if is_length else _OPERATIONS[operator](known, arguments)

    def _work(self, characters: int) -> None:
        """Note how much was written: a few variables may stand for more than any manifest has."""
        self.work += characters
        if self.work > _MOST_WORK:
            raise BadSubstitution(self.written, f"it gets longer than {_MOST_WORK} characters")

    def _arguments(self, operator: str, depth: int) -> list[str]:
        match operator:
            case ":=" | ":-" | ":?" | ":+" | "=":
                found = []
                while self._peek() not in ("", "}"):
                    found.append(self._argument("}", depth))
                return ["".join(found)]
            case ":":
                found = [self._argument(":}", depth)]
                return [*found, self._argument("}", depth)] if self._take_all(":") else found
            case "/" | "//" | "/#" | "/%":
                found = ["" if self._peek() == "/" else self._argument("/", depth, may_escape=True)]
                if not self._take_all("/"):
                    raise BadSubstitution(self.written)
                return found if self._peek() == "}" else [*found, self._argument("}", depth, may_escape=True)]
            case "#" | "##" | "%" | "%%":
                return [self._argument("}", depth)]
            case _:
                return []

    def _argument(self, ends: str, depth: int, *, may_escape: bool = False) -> str:
        """One expression, or the text up to the next one or to one of `ends`, which has to be there."""
        if self._take("${"):
            return self._expression(depth + 1)
        found: list[str] = []
        while (one := self._peek()) and one not in ends and not self.written.startswith("${", self.at):
            if may_escape and self.written.startswith(("\\/", "\\\\", "$$"), self.at):
                self.at += 1
                one = self._peek()
            found.append(one)
            self.at += 1
        if not found:
            raise BadSubstitution(self.written)
        return "".join(found)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None


def _part(text: str, arguments: list[str]) -> str:
    """`${name:position:length}`, which counts bytes."""
    raw, (position, *rest) = text.encode(), map(_number, arguments)
    if position is None or None in rest:
        return text
    start = max(len(raw) + position, 0) if position < 0 else position
    length = (rest[0] or 0) if rest else len(raw)
    end = len(raw) + length if length < 0 else start + length
    try:
        return raw[start:end].decode() if end > start else ""
    except UnicodeDecodeError as error:
        raise BadSubstitution(text, "it is cut within a character") from error


def _trimmed(text: str, pattern: str, *, is_longest: bool, is_at_end: bool) -> str:
    """A text without the beginning (or end) that a shell pattern matches, but for nothing at all.

    Flux looks for the end of the text by the pattern and the text from behind, which is another one with brackets.
    """
    if is_at_end:
        return _trimmed(text[::-1], pattern[::-1], is_longest=is_longest, is_at_end=False)[::-1]
    if pattern and not pattern.strip("*"):
        return "" if is_longest else text[1:]
    matcher = _shell_pattern(pattern, is_longest=is_longest)
    found = None if matcher is None else matcher(text)
    return text if found is None else text[found.end() :]


@lru_cache(maxsize=1_000)
def _shell_pattern(pattern: str, *, is_longest: bool) -> Callable[[str], re.Match[str] | None] | None:
    """`*`, `?`, sets in brackets and escapes; None for one that is not whole: it matches nothing."""
    if len(pattern) > _LONGEST_PATTERN:
        raise BadSubstitution(pattern, f"it has a pattern of more than {_LONGEST_PATTERN} characters")
    found: list[str] = []
    end = 0
    while end < len(pattern):
        token = _GLOB.match(pattern, end)
        if token is None:
            return None
        end = token.end()
        match token.lastgroup:
            case "star":
                found.append(".*" if is_longest else ".*?")
            case "any":
                found.append(".")
            case "set":
                found.append(_set(token["set"], is_negated=token["not"] is not None))
            case _:
                found.append(_literal(token[0][-1]))
    matcher: Callable[[str], re.Match[str] | None] = re2.compile(f"(?s){''.join(found)}").match
    return matcher


def _set(inside: str, *, is_negated: bool) -> str:
    """A set of characters; a range that ends before it starts has none."""
    ranges = [(one["low"][-1], (one["high"] or one["low"])[-1]) for one in _RANGE.finditer(inside)]
    written = "".join(f"{_literal(low)}-{_literal(high)}" for low, high in ranges if low <= high)
    if not written:
        return "." if is_negated else r"[^\x00-\x{10ffff}]"
    return f"[{'^' * is_negated}{written}]"


def _literal(character: str) -> str:
    return rf"\x{{{ord(character):x}}}"


def _recased(character: str, change: Callable[[str], str]) -> str:
    """Go changes each character to one other."""
    changed = change(character)
    return changed if len(changed) == 1 else character


def _upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(_recased(one, str.upper) for one in text)


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(_recased(one, str.lower) for one in text)


_OPERATIONS: Mapping[str, Callable[[str, list[str]], str]] = {
    "": lambda text, _: text,
    **dict.fromkeys((":=", ":-", ":?", ":+", "="), lambda text, given: text or "".join(given)),
    **dict.fromkeys((",^", "^,"), lambda text, _: text),
    ",": lambda text, _: _lower(text[:1]) + text[1:],
    ",,": lambda text, _: _lower(text),
    "^": lambda text, _: _upper(text[:1]) + text[1:],
    "^^": lambda text, _: _upper(text),
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
# The longest first, of those that begin alike.
_OPERATORS = sorted(filter(None, _OPERATIONS), key=len, reverse=True)
