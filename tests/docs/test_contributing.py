"""The walks for contributors lead where they say: each is walked in a copy of the tree, file by file."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, indented_commands, page

PAGE = page("contributing.md")
_NEW_FILE = re.compile(r"^```\w+ (\S+/\S+)\n(.+?)^```", re.DOTALL | re.MULTILINE)
_DIFF = re.compile(r"^```diff\n(.+?)^```", re.DOTALL | re.MULTILINE)
_CHANGED = re.compile(r"^\+\+\+ b/(\S+)$", re.MULTILINE)
_COPIED = (
    "app",
    "tests",
    "migrations",
    "docs",
    "jenkins",
    "deploy",
    ".ci",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
)


@dataclass(frozen=True)
class Walk:
    """One section of the page, walked in a folder that holds a copy of the tree."""

    text: str
    folder: Path

    def take(self) -> None:
        """Make every file and every change that it shows."""
        for path, content in _NEW_FILE.findall(self.text):
            there = self.folder / path
            assert not there.exists(), f"{path} is there already"
            there.write_text(content, encoding="utf-8")
        for change in _DIFF.findall(self.text):
            self._run("git", "apply", "--recount", "--unidiff-zero", "-", stdin=change)

    def files(self, below: str) -> set[str]:
        """The files of a folder that it touches."""
        touched = {path for path, _ in _NEW_FILE.findall(self.text)} | set(_CHANGED.findall(self.text))
        return {path for path in touched if path.startswith(f"{below}/")}

    def show(self) -> None:
        """Run what the section says shows that it works, here by this very Python."""
        commands = list(indented_commands(self.text))
        assert commands
        for command in commands:
            program, *words = command.split()
            assert (program, *words[:2]) == ("uv", "run", "pytest")
            self._run(sys.executable, "-m", *words[1:], "-q", "-p", "no:cacheprovider")

    def _run(self, *command: str, stdin: str | None = None) -> None:
        done = subprocess.run(command, cwd=self.folder, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


def section(heading: str) -> str:
    """What stands below a heading of the page."""
    found = re.search(rf"^## {re.escape(heading)}\n(.+?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
    return found[1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("heading", "most"), [pytest.param("Add a gate", 2, id="gate")])
def test_a_walk_leads_to_what_works_and_touches_few_files(tmp_path: Path, heading: str, most: int) -> None:
    for name in _COPIED:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
        else:
            shutil.copy(source, target)
    walk = Walk(section(heading), tmp_path)
    walk.take()
    assert 0 < len(walk.files("app")) <= most
    walk.show()


def test_the_map_names_every_folder_of_the_program() -> None:
    named = set(re.findall(r"`(app/[\w/]*)/`", section("The map")))
    folders = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "app").rglob("__init__.py")} - {"app"}
    holds_only_folders = {"app/services", "app/clients/forges"}
    assert folders - named <= holds_only_folders
    assert named <= folders
