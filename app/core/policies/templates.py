"""Templates like `$1.$2` or `${ts}`, expanded by the rules of Go's `regexp.Expand`."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from app.core.policies.patterns import Match, Pattern
from app.core.policies.spec import PolicyTooLarge
from app.core.policies.verdicts import quoted

# A template can make much out of a short tag; Flux has no such bounds.
_LONGEST_TEMPLATE = 1_000
_MOST_REFERENCES = 32

# Go stops reading a number here and takes the text for a name.
_LARGEST_GROUP_NUMBER = 10**8


@dataclass(frozen=True, slots=True)
class Template:
    """Texts, and group numbers of which the first that took part in the match is written.

    >>> template = Template.parse("${major}.$2$nope", Pattern.compile("v(?P<major>[0-9]+)-([0-9]+)"))
    >>> template.parts
    ((1,), '.', (2,), ())
    """

    parts: tuple[str | tuple[int, ...], ...]

    @classmethod
    def parse(cls, text: str, pattern: Pattern) -> Self:
        """Read a template for the matches of a pattern. Raises PolicyTooLarge."""
        if len(text) > _LONGEST_TEMPLATE:
            what = f"the template {quoted(text)} is longer than {_LONGEST_TEMPLATE} characters"
            raise PolicyTooLarge(what, "write a shorter one")
        parts = tuple(part for part in _parts(text, pattern) if part != "")
        if sum(isinstance(part, tuple) for part in parts) > _MOST_REFERENCES:
            what = f"the template {quoted(text)} refers to more than {_MOST_REFERENCES} groups"
            raise PolicyTooLarge(what, "use fewer")
        return cls(parts)

    def expand(self, match: Match) -> str:
        """Write the template with what a match found; a group that is unknown or took no part is empty."""
        return "".join(part if isinstance(part, str) else _first(part, match) for part in self.parts)


def _first(groups: tuple[int, ...], match: Match) -> str:
    for group in groups:
        found = match.group(group)
        if found is not None:
            return found.decode("utf-8", "replace")
    return ""


def _parts(text: str, pattern: Pattern) -> Iterator[str | tuple[int, ...]]:
    rest = text
    while "$" in rest:
        before, _, rest = rest.partition("$")
        yield before
        name, length = _reference(rest)
        if rest.startswith("$"):
            yield "$"
            rest = rest[1:]
        elif length:
            yield _groups(name, pattern)
            rest = rest[length:]
        else:
            yield "$"
    yield rest


def _reference(rest: str) -> tuple[str, int]:
    """Read the name after a `$` and how many characters it takes with its braces: 0 where there is none."""
    start = 1 if rest.startswith("{") else 0
    end = start
    while end < len(rest) and _is_name_character(rest[end]):
        end += 1
    name = rest[start:end]
    if not start or not name:
        return name, len(name)
    return name, end + 1 if rest[end : end + 1] == "}" else 0


def _is_name_character(character: str) -> bool:
    return character == "_" or unicodedata.category(character) in {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"}


def _groups(name: str, pattern: Pattern) -> tuple[int, ...]:
    is_number = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0")
    # Go checks the bound before each digit: nine digits are a number, ten are a name.
    if is_number and (len(name) == 1 or int(name[:-1]) < _LARGEST_GROUP_NUMBER):
        return (int(name),) if int(name) <= pattern.groups else ()
    return pattern.group_names.get(name, ())
