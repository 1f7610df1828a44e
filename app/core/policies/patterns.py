"""Regular expressions of Flux's dialect: Go's, which is RE2 with small differences, so no pattern can blow up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import re2

from app.core.policies.spec import InvalidPolicy, PolicyTooLarge
from app.core.policies.unicode_classes import spell_classes
from app.core.policies.verdicts import quoted

# Time for one tag grows with the program, to 1.5 ms for the worst pattern of this size and the longest tag. One class
# of Unicode (`\pL`) takes 1,200 steps, what people write takes some 20. Flux has no such bounds.
_LONGEST_PATTERN = 5_000
_LARGEST_PROGRAM = 2_000
_ADVICE = r"repeat less, and in place of large classes name what tags may have: [A-Za-z] for \pL"
# A class beside others in brackets may become hundreds of ranges, which take long to read where there are many.
_LONGEST_SPELLED = 50_000
_TOO_LARGE = "pattern too large"

# What may hold a parenthesis that opens no group comes first: quotations, escapes, classes. One that is not closed ends
# with the text: that is no valid pattern, or the rest of it is quoted.
_TOKEN = re.compile(
    r"(?P<quotation>\\Q(?>.*?(?:\\E|\Z)))"
    r"|(?P<escape>\\.)"
    r"|(?P<brackets>\[\^?+\]?+(?>\[:[a-z^]*:\]|\\.|[^\]\\])*+(?:\]|\Z))"
    r"|\(\?P?<(?P<name>[^>]*)>",
    re.DOTALL,
)
_GROUP_NAME = re.compile(r"[A-Za-z0-9_]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Match(Protocol):
    """What a pattern found in a text, as UTF-8."""

    def group(self, group: int, /) -> bytes | None:
        """The text of a group by its number, 0 for the whole; None where it took no part."""

    def span(self, group: int, /) -> tuple[int, int]:
        """Where a group stands, in bytes; (-1, -1) where it took no part."""


class _Program(Protocol):
    programsize: int
    groups: int
    groupindex: Mapping[str, int]

    def search(self, text: bytes, /) -> Match | None: ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. `group_names` has for each name the numbers of its groups: Go lets groups share a name.

    >>> pattern = Pattern.compile("(?P<n>[0-9]+)|(?P<n>x)")
    >>> pattern.search("main-42").group(1), pattern.group_names
    (b'42', {'n': (1, 2)})
    """

    text: str
    groups: int
    group_names: Mapping[str, tuple[int, ...]]
    _program: _Program

    @classmethod
    def compile(cls, text: str) -> Self:
        """Compile a pattern that is searched for anywhere in a text. Raises InvalidPolicy."""
        names = _group_names(text)
        spelled = spell_classes(text)
        program = _program(text, _with_own_names(spelled) if len(set(names)) < len(names) else spelled)
        numbers = sorted(program.groupindex.values())
        by_name: dict[str, tuple[int, ...]] = {}
        for name, number in zip(names, numbers, strict=True):
            by_name[name] = (*by_name.get(name, ()), number)
        return cls(text, program.groups, by_name, program)

    def search(self, text: str) -> Match | None:
        """Find the pattern in a text: the leftmost match, and of several there the one that the pattern tries first."""
        return self._program.search(_utf8(text))


def _program(text: str, rewritten: str) -> _Program:
    if len(rewritten) > _LONGEST_SPELLED:
        raise PolicyTooLarge(f"the pattern {quoted(text)} has too many large classes", _ADVICE)
    options = re2.Options()
    options.log_errors = False
    try:
        program: _Program = re2.compile(rewritten.encode(), options)
    except re2.error as error:
        said = _as_text(error.args[0] if error.args else b"not RE2")
        if said.startswith(_TOO_LARGE):
            raise PolicyTooLarge(f"the pattern {quoted(text)} is too large to be compiled", _ADVICE) from error
        raise _invalid(text, said) from error
    except UnicodeEncodeError as error:
        raise _invalid(text, "it is no valid Unicode") from error
    if program.programsize > _LARGEST_PROGRAM:
        steps = f"{program.programsize} steps, more than {_LARGEST_PROGRAM}"
        raise PolicyTooLarge(f"the pattern {quoted(text)} takes {steps}", _ADVICE)
    return program


def _group_names(text: str) -> list[str]:
    """The names of the named groups from left to right. Refuses what the RE2 library takes and Go does not."""
    if len(text) > _LONGEST_PATTERN:
        what = f"the pattern {quoted(text)} is longer than {_LONGEST_PATTERN} characters"
        raise PolicyTooLarge(what, "write a shorter one")
    names = []
    for token in _TOKEN.finditer(text):
        if token["escape"] == r"\C":
            raise _invalid(text, r"\C, a single byte, is not for patterns of Flux: write . instead")
        if token["name"] is not None:
            if not _GROUP_NAME.fullmatch(token["name"]):
                raise _invalid(text, f"{quoted(token['name'])} is no name for a group: use A-Z a-z 0-9 _ only")
            names.append(token["name"])
    return names


def _with_own_names(text: str) -> str:
    """Give each named group a name of its own, which the RE2 library wants and Go does not."""
    parts = []
    end = 0
    for number, token in enumerate(token for token in _TOKEN.finditer(text) if token["name"] is not None):
        parts += [text[end : token.start()], f"(?P<n{number}>"]
        end = token.end()
    return "".join((*parts, text[end:]))


def _invalid(text: str, problem: str) -> InvalidPolicy:
    return InvalidPolicy(f"the pattern {quoted(text)} is no regular expression of Flux (RE2): {problem}")


def _as_text(message: bytes | str) -> str:
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else message


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()
