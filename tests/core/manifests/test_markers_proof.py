"""An edit that would mean anything but what was asked is refused: the comparison after each edit cannot be left out."""

import pytest

from app.core.manifests.text.parsing import Text, decode
from app.core.manifests.text.scalars import Outline, Scalar, outline, scalar_meaning
from app.core.manifests.text.setting import CannotSet, Edit, string_at, write_edits

CONTENT = "a: &k x # c\nb: [y, *k]\n---\nc: 'z'\n"


def read(content: str = CONTENT) -> tuple[Text, Outline]:
    text = decode(content.encode())
    return text, outline(text.characters)


def edit(scalar: Scalar, before: Outline, written: str, *, start: int | None = None, end: int | None = None) -> Edit:
    """An edit that claims to make a scalar the string `new`, and writes something."""
    return Edit(
        scalar.start if start is None else start,
        scalar.end if end is None else end,
        written,
        scalar.event,
        (string_at(before, scalar, "new"),),
    )


def test_an_edit_that_means_what_it_says_is_made() -> None:
    text, before = read()
    assert write_edits(text, before, [edit(before.scalars[1], before, "new")]) == CONTENT.replace("x #", "new #")


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("old", id="another text"),
        pytest.param("new\nd: e", id="an entry more"),
        pytest.param("new\n---\nd: e", id="a document more"),
        pytest.param("&k2 new", id="an anchor more"),
        pytest.param("!!int new", id="a tag more"),
        pytest.param("[new]", id="a list"),
        pytest.param("*k", id="an alias"),
        pytest.param("", id="nothing"),
        pytest.param("'new", id="an open quote"),
        pytest.param("new: x", id="a mapping where none may be"),
        pytest.param("|\n  new", id="a line break more"),
    ],
)
def test_an_edit_that_would_mean_more_or_less_is_refused(written: str) -> None:
    text, before = read()
    with pytest.raises(CannotSet, match="line 1 was not edited"):
        write_edits(text, before, [edit(before.scalars[1], before, written)])


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param(-3, 0, id="over the anchor"),
        pytest.param(-6, 0, id="over the key"),
        pytest.param(0, 6, id="over the next line"),
        pytest.param(1, 0, id="behind the value"),
        pytest.param(0, -1, id="before the value"),
    ],
)
def test_an_edit_in_the_wrong_place_is_refused(start: int, end: int) -> None:
    text, before = read()
    scalar = before.scalars[1]
    with pytest.raises(CannotSet):
        write_edits(text, before, [edit(scalar, before, "new", start=scalar.start + start, end=scalar.end + end)])


def test_an_edit_that_claims_another_value_is_refused() -> None:
    text, before = read()
    wrong = Edit(before.scalars[1].start, before.scalars[1].end, "new", before.scalars[5].event, ())
    with pytest.raises(CannotSet, match="would not mean exactly what was asked for"):
        write_edits(text, before, [wrong])


@pytest.mark.parametrize("number", ["1.10", "on", "null", "2024-01-02"])
def test_a_number_in_the_place_of_a_string_is_refused(number: str) -> None:
    text, before = read()
    scalar = before.scalars[1]
    meaning = scalar_meaning("k", None, number, is_text=True)
    with pytest.raises(CannotSet, match="would not mean exactly what was asked for"):
        write_edits(text, before, [Edit(scalar.start, scalar.end, number, scalar.event, (meaning,))])


def test_two_edits_of_one_place_are_refused() -> None:
    text, before = read()
    scalar = before.scalars[1]
    edits = [edit(scalar, before, "new"), edit(scalar, before, '"new"', start=scalar.start - 1)]
    with pytest.raises(CannotSet, match="two edits would meet"):
        write_edits(text, before, edits)
