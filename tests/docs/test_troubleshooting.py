"""What troubleshooting quotes is said by the program."""

import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import ROOT, page

SYMPTOMS = page("troubleshooting.md").partition("\n## Every error")[0]
SAID = " ".join(
    re.sub(r"\{[^{}]*\}", "…", re.sub(r"\"\s*\n\s*f?\"", "", file.read_text(encoding="utf-8")))
    for file in sorted((ROOT / "app").rglob("*.py"))
)


def quoted() -> Iterator[str]:
    """The words of the program in the first column of the tables."""
    for row in re.findall(r"^\| (.+?) \| .* \|$", SYMPTOMS, re.MULTILINE):
        for words in re.findall(r"`([^`]+)`", row):
            if " " in words and not words.startswith(("fluxbridge ", "GET ")):
                yield words


@pytest.mark.parametrize("words", sorted(set(quoted())))
def test_what_is_quoted_is_said(words: str) -> None:
    plain = re.sub(r"'[^']+'", "…", words)
    parts = [part.strip() for part in re.split(r"…|: ", plain)]
    lost = [part for part in parts if len(part) > 3 and part not in SAID]
    assert lost == []
