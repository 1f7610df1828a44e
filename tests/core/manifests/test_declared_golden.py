"""Fields that `.fluxbridge.yaml` declares are set in every kind of YAML file without touching another byte."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

import pytest

from tests.core.manifests.declared import edit, rules_with

GOLDEN = Path(__file__).parents[2] / "golden" / "declared"
FILE = "manifest.yaml"


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_only_the_bytes_of_declared_fields_change(case: Path) -> None:
    before, after = (case / "before.yaml").read_bytes(), (case / "after.yaml").read_bytes()
    rules = rules_with((case / "fields.yaml").read_text())
    assert edit({FILE: before}, rules) == ({FILE: after}, [])
    assert edit({FILE: after}, rules) == ({FILE: after}, [])


@pytest.mark.parametrize(("mark", "encoding"), [(BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")])
@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_a_file_in_utf_16_is_edited_as_the_same_one_in_utf_8(case: Path, mark: bytes, encoding: str) -> None:
    before, after = (
        mark + (case / name).read_bytes().decode("utf-8-sig").encode(encoding) for name in ("before.yaml", "after.yaml")
    )
    rules = rules_with((case / "fields.yaml").read_text())
    files, reports = edit({FILE: before}, rules)
    assert files == {FILE: after}
    assert all("as UTF-8" in one for one in reports)
