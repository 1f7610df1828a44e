"""The wheel holds everything: another folder, another path, and the program still works."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.db.database import Database
from tests.parts import require_program

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what is in the checkout."""
    uv = os.environ.get("UV") or require_program("uv", "pip install uv")
    folder = tmp_path_factory.mktemp("wheel")
    # What builds it is in uv's cache since uv installed the project itself; only where that was emptied, it is fetched.
    for network in (["--offline"], []):
        command = [uv, "build", "--wheel", "--quiet", "--out-dir", str(folder), *network, str(ROOT)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel was unpacked."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, code: str, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run code that imports the unpacked program and never the checkout, with the libraries that are here."""
    # Isolated, so that the only way to `app` is the folder named here; site-packages' link to the checkout comes after.
    start = f"import sys; sys.path.insert(0, {str(installed)!r}); {code}"
    return subprocess.run(
        [sys.executable, "-I", "-c", start, *arguments],
        cwd=folder,
        env={**os.environ, "FLUXBRIDGE_CONFIG": str(folder / "fluxbridge.yaml")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def files_below(folder: Path, *, of: Path) -> set[str]:
    """The files of a folder by their paths below another, without what Python leaves."""
    return {str(path.relative_to(of)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_the_wheel_holds_the_whole_program_with_the_demo_s_repository(installed: Path) -> None:
    assert files_below(ROOT / "app", of=ROOT) <= files_below(installed / "app", of=installed)
    assert (installed / "app" / "demo" / "config_repo" / ".fluxbridge.yaml").is_file()


def test_the_wheel_holds_every_migration(installed: Path) -> None:
    inside = installed / "app" / "migrations"
    assert files_below(ROOT / "migrations", of=ROOT / "migrations") <= files_below(inside, of=inside)
    assert list((inside / "versions").glob("*.py"))


def test_the_wheel_names_the_command_and_no_tests(installed: Path) -> None:
    [entry_points] = installed.glob("*.dist-info/entry_points.txt")
    assert "fluxbridge = app.__main__:main" in entry_points.read_text()
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {"app"}


def test_migrate_from_the_wheel_makes_the_present_schema(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "fluxbridge.yaml").write_text("data_dir: ./data\n")
    where = run(installed, "import app; print(app.__file__)", folder=tmp_path)
    assert where.stdout.strip() == str(installed / "app" / "__init__.py")
    done = run(installed, "from app.cli import main; main()", "migrate", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    database = Database(f"sqlite:///{tmp_path / 'data' / 'fluxbridge.sqlite3'}")
    assert database.is_current()
    database.close()
