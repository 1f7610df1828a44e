"""The tables of the settings are what the models say."""

import pytest
from pydantic import BaseModel

from app.settings.values import Section
from tests.docs.pages import page
from tests.docs.settings_reference import Row, rows, with_tables

PAGE = page("configuration.md")


def test_the_tables_are_what_the_models_say() -> None:
    assert with_tables(PAGE) == PAGE, "write them anew: uv run python -m tests.docs.write"


@pytest.mark.parametrize("row", [pytest.param(row, id=row.place) for row in rows()])
def test_every_setting_says_what_it_means(row: Row) -> None:
    assert row.meaning or row.key.endswith(".kind")


def test_a_setting_that_no_table_is_for_is_noticed() -> None:
    with pytest.raises(ValueError, match="no table is for listen"):
        with_tables(PAGE.replace(" listen ", " "))


def test_a_section_without_words_is_noticed() -> None:
    class Nameless(Section):
        flag: complex = 0

    model: type[BaseModel] = Nameless
    with pytest.raises(ValueError, match="give its kind a Called"):
        list(rows(model))
