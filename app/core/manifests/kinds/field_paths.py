"""Paths to values in a document, as people write them: `image.tag`, `containers[name=app].image`, `apps.*.version`."""

import re
from dataclasses import dataclass
from typing import Self, TypeAlias

from app.core.errors import Invalid

_MOST_STEPS = 50
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_KEY = re.compile(r"""(?P<any>\*)|"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<plain>[^.\[\]"'*\s][^.\[\]]*)""")
_ITEM = re.compile(
    r"""\[\s*(?: (?P<any>\*) | (?P<index>[0-9]{1,6}) |
        (?: (?P<key>[A-Za-z0-9_.-]+) \s*=\s* )?
        (?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<plain>[^\s\[\]"'=*]+) )
    )\s*\]""",
    re.VERBOSE,
)


class InvalidPath(Invalid):
    """A path is not written so that it leads anywhere."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(
            f"the path {text[:200]!r} cannot be read from character {position + 1} on: write keys with dots between "
            'them, "quoted" where a key has dots or brackets, [name] or [key=value] for items of lists, * for all'
        )


@dataclass(frozen=True, slots=True)
class Key:
    """The value of a key in a mapping."""

    name: str

    def __str__(self) -> str:
        is_plain = _KEY.fullmatch(self.name) and self.name[0] not in "\"'*"
        return self.name if is_plain else f'"{self.name}"'


@dataclass(frozen=True, slots=True)
class Index:
    """The item of a list by its number, counted from 0."""

    number: int

    def __str__(self) -> str:
        return f"[{self.number}]"


@dataclass(frozen=True, slots=True)
class Named:
    """The items of a list whose `key` has this value."""

    value: str
    key: str = "name"

    def __str__(self) -> str:
        return f"[{self.value}]" if self.key == "name" else f"[{self.key}={self.value}]"


@dataclass(frozen=True, slots=True)
class Every:
    """Every value of a mapping, or every item of a list."""

    def __str__(self) -> str:
        return "*"


Step: TypeAlias = Key | Index | Named | Every


@dataclass(frozen=True, slots=True)
class FieldPath:
    """The steps from a document's top to a value.

    >>> str(FieldPath.parse("spec.containers[name=app].image")), str(FieldPath.parse("a.'b.c'.*[0]"))
    ('spec.containers[app].image', 'a."b.c".*[0]')
    """

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a path. Raises InvalidPath."""
        half = _HALF_CHARACTER.search(text)
        if half:
            raise InvalidPath(text, half.start())
        steps: list[Step] = []
        position = 0
        while position < len(text) or not steps:
            if text.startswith("[", position):
                found = _ITEM.match(text, position)
                step = _item(found) if found else None
            else:
                position += text.startswith(".", position) and bool(steps)
                found = _KEY.match(text, position)
                step = _key(found) if found else None
            if found is None or step is None or len(steps) == _MOST_STEPS or not _ends_well(text, found.end()):
                raise InvalidPath(text, position)
            steps.append(step)
            position = found.end()
        return cls(tuple(steps))

    def __str__(self) -> str:
        return join_steps(self.steps)


def join_steps(steps: tuple[Step, ...]) -> str:
    """Write steps as a path."""
    text = ""
    for step in steps:
        text += f".{step}" if text and isinstance(step, Key | Every) else str(step)
    return text


def _key(found: re.Match[str]) -> Step:
    if found["any"]:
        return Every()
    return Key(found["double"] or found["single"] or found["plain"])


def _item(found: re.Match[str]) -> Step:
    if found["any"]:
        return Every()
    if found["index"]:
        return Index(int(found["index"]))
    value = next((found[name] for name in ("double", "single", "plain") if found[name] is not None), "")
    return Named(value, found["key"] or "name")


def _ends_well(text: str, end: int) -> bool:
    """Whether a step ends where another may begin: at the end, a dot with something after it, or a bracket."""
    return end == len(text) or text[end] == "[" or (text[end] == "." and end + 1 < len(text))
