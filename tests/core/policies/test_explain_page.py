"""The page about explanations names every verdict, every outcome in a stage and every warning."""

import re
from pathlib import Path

from app.core.policies.telling.warnings import WarningKind
from app.core.policies.verdicts import VerdictKind
from app.core.promotion.explained_stage import StepKind

PAGE = (Path(__file__).parents[3] / "docs" / "explain.md").read_text(encoding="utf-8")


def test_every_verdict_and_every_warning_has_its_row_and_nothing_else() -> None:
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    assert rows == {*(kind.value for kind in VerdictKind), *(kind.value for kind in WarningKind)}


def test_every_outcome_in_a_stage_is_named() -> None:
    assert {kind.value for kind in StepKind} <= set(re.findall(r"`([a-z]+)`", PAGE))
