"""The tables of docs/configuration.md, made from the models of the settings.

A table stands between `<!-- settings: PLACE … -->` and `<!-- end -->`; it has the settings below those places that no
other table names more exactly. `uv run python -m tests.docs.write` writes them anew.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.settings.models import Settings
from app.settings.secrets import Secret
from app.settings.values import Called

MARKED = re.compile(r"(<!-- settings: (?P<places>[^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_HEAD = "| key | type | default | meaning |\n|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting. `place` is its key with the kind of what it is below in the place of a name."""

    place: str
    key: str
    type: str
    default: str
    meaning: str

    def __str__(self) -> str:
        return f"| `{self.key}` | {self.type} | {self.default} |{f' {self.meaning}' if self.meaning else ''} |\n"


def rows(model: type[BaseModel] = Settings, key: str = "", place: str = "") -> Iterator[Row]:
    """Every setting below a section, in the order of the models."""
    for name, field in model.model_fields.items():
        written = field.alias or name
        below = list(sections_in(field.annotation))
        named = ".<name>" if is_mapping(field.annotation) else ""
        if not below or field.description:
            yield _row(f"{key}{written}{named if not below else ''}", f"{place}{written}", field)
        for section in below:
            kind = section.model_fields.get("kind")
            inner = f"{place}{written}{f'={get_args(kind.annotation)[0]}' if kind else ''}."
            yield from rows(section, f"{key}{written}{named}.", inner)


def with_tables(text: str) -> str:
    """The page with each of its tables made anew. Raises ValueError where a setting would stand in none."""
    places = {place for found in MARKED.finditer(text) for place in found["places"].split()}
    every = list(rows())
    homes = {row.place: _home(row, places) for row in every}

    def table(found: re.Match[str]) -> str:
        wanted = found["places"].split()
        ordered = [row for place in wanted for row in every if homes[row.place] == place]
        return f"{found[1]}{_HEAD}{''.join(map(str, ordered))}{found[3]}"

    return MARKED.sub(table, text)


def _home(row: Row, places: set[str]) -> str:
    fitting = [place for place in places if row.place == place or row.place.startswith((f"{place}.", f"{place}="))]
    if not fitting:
        raise ValueError(f"no table is for {row.place}")
    return max(fitting, key=len)


def _row(key: str, place: str, field: FieldInfo) -> Row:
    meaning = " ".join((field.description or "").split()).removesuffix(".")
    return Row(place, key, _type(field), _default(field), meaning)


def _type(field: FieldInfo) -> str:
    called = [each.words for each in field.metadata if isinstance(each, Called)]
    return called[-1] if called else _words(field.annotation)


def _words(annotation: object) -> str:
    """What a kind of value is called."""
    arguments = get_args(annotation)
    if annotation is Secret:
        return "secret"
    if get_origin(annotation) is Literal:
        *others, last = [f"`{each}`" for each in arguments]
        return f"{', '.join(others)} or {last}" if others else last
    if get_origin(annotation) is Annotated:
        called = [each.words for each in arguments[1:] if isinstance(each, Called)]
        return called[-1] if called else _words(arguments[0])
    if get_origin(annotation) is dict:
        return _words(arguments[1])
    if get_origin(annotation) in {Union, UnionType}:
        return _words(next(each for each in arguments if each is not type(None)))
    raise ValueError(f"{annotation} has no name: give its kind a Called")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel):
        return "see below"
    return {None: "none", "": "empty"}.get(field.default) or f"`{written(field.default)}`"


def written(default: object) -> str:
    """A default as it stands in the settings file."""
    match default:
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case tuple():
            return str(list(default))
    return str(default)


def sections_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The sections that a field may hold; a secret counts as a value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is not Secret:
            yield annotation
    elif get_origin(annotation) in {Annotated, Union, UnionType, dict}:
        for argument in get_args(annotation):
            yield from sections_in(argument)


def is_mapping(annotation: object) -> bool:
    """Whether a field holds names that a person gives, also where it may be left out."""
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return any(map(is_mapping, get_args(annotation)))
    return get_origin(annotation) is dict
