"""docs/configuration.md names every setting, with its default, and shows an example that works."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from app.settings.loading import load
from app.settings.models import Settings
from tests.docs.settings_reference import is_mapping, sections_in, written

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.+?) \|", re.MULTILINE)
# A reader is told in words what these come to.
TOLD_IN_WORDS = {"", "None", "PydanticUndefined"}


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key below a model, names as `<name>`, each with its default as text."""
    for name, field in model.model_fields.items():
        below = list(sections_in(field.annotation))
        key = f"{prefix}{field.alias or name}"
        if is_mapping(field.annotation):
            key += ".<name>"
        if not below:
            default = PydanticUndefined if field.default_factory else field.default
            yield key, written(default)
        for inner in below:
            yield from settings_of(inner, f"{key}.")


def kinds_in(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Each `kind` there is, with the model that it is the kind of."""
    for field in model.model_fields.values():
        for inner in sections_in(field.annotation):
            if "kind" in inner.model_fields:
                yield from ((kind, inner.__name__) for kind in get_args(inner.model_fields["kind"].annotation))
            yield from kinds_in(inner)


def rows() -> list[tuple[str, str]]:
    return [(key, default.strip("`")) for key, _type, default in ROW.findall(DOCS.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("key", "default"), sorted(set(settings_of(Settings))))
def test_every_setting_is_in_the_documentation_with_its_default(key: str, default: str) -> None:
    documented = {shown for name, shown in rows() if name == key}
    assert documented, f"docs/configuration.md has no row for {key}"
    if default not in TOLD_IN_WORDS:
        assert default in documented


def test_the_documentation_names_no_setting_that_does_not_exist() -> None:
    known = {key for key, _ in settings_of(Settings)} | {"database"}
    dotted = {key for key, _ in rows() if re.fullmatch(r"[a-z_]+(\.(<name>|[a-z_]+))*", key)}
    assert dotted <= known


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in kinds_in(Settings)}))
def test_every_kind_has_its_heading_or_its_line_below_that_of_those_it_is_set_up_like(kind: str) -> None:
    place = re.compile(rf"^(### .*kind: {kind}$|- `kind: {kind}`: )", re.MULTILINE)
    assert place.search(DOCS.read_text(encoding="utf-8"))


def test_the_example_of_the_documentation_is_read_and_has_every_shape_of_source(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.+?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    path = tmp_path / "fluxbridge.yaml"
    path.write_text(example[1], encoding="utf-8")
    settings = load(path, {})
    assert {type(source).__name__ for source in settings.sources.values()} == {
        model for _, model in kinds_in(Settings) if model.endswith("Source")
    }
