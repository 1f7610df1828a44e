"""Fields that `.fluxbridge.yaml` declares are set in every kind of YAML file without touching another byte."""

from pathlib import Path

import pytest

from tests.core.declared import edit, rules_with

GOLDEN = Path(__file__).parents[1] / "golden" / "declared"
FILE = "manifest.yaml"


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_only_the_bytes_of_declared_fields_change(case: Path) -> None:
    before, after = (case / "before.yaml").read_bytes(), (case / "after.yaml").read_bytes()
    rules = rules_with((case / "fields.yaml").read_text())
    assert edit({FILE: before}, rules) == ({FILE: after}, [])
    assert edit({FILE: after}, rules) == ({FILE: after}, [])
