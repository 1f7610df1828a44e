"""Folders are built as kubectl builds them."""

from pathlib import Path

import pytest

from tests.core.kustomize.kustomized import World, difference
from tests.parts import required_kubectl

# Of a file in UTF-16 kubectl reads the first document alone, which is told.
READ_BY_US_ALONE = {"utf-16-file"}
ESTATES = Path(__file__).parents[2] / "golden" / "estates"


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return required_kubectl()


@pytest.mark.parametrize("name", sorted({one.name for one in ESTATES.iterdir()} - READ_BY_US_ALONE))
def test_golden_estates_are_built_as_kubectl_builds_them(name: str, kubectl: Path, tmp_path: Path) -> None:
    root = ESTATES / name
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    world = World.of(files, tmp_path, kubectl)
    estate = world.estate()
    for folder in world.folders():
        build = estate.builder.build(folder)
        theirs, said = world.built_by_flux(folder)
        if theirs is None:
            assert build.problems or build.refused or any(one.doubt for one in build.objects), f"{folder}: {said}"
        else:
            assert difference(build, theirs) == [], folder
            assert not build.is_whole or build.problems == (), folder
