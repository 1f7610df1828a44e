"""The walks for contributors lead where they say: each is walked in a copy of the tree, file by file."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, indented_commands, page

PAGE = page("contributing.md")
_NEW_FILE = re.compile(r"^```\w+ (\S+/\S+)\n(.+?)^```", re.DOTALL | re.MULTILINE)
_LINKED = re.compile(r"^\[(\S+/\S+)\]\((walks/\S+)\)$", re.MULTILINE)
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
        for path, content in self.new_files().items():
            there = self.folder / path
            assert not there.exists(), f"{path} is there already"
            there.write_text(content, encoding="utf-8")
        for path, old, new in self.changes():
            before = (self.folder / path).read_text(encoding="utf-8")
            assert before.count(old) == 1, f"{path} has this not once: {old}"
            (self.folder / path).write_text(before.replace(old, new), encoding="utf-8")

    def new_files(self) -> dict[str, str]:
        """The files that it adds: shown in full, or long ones that it links to."""
        return dict(_NEW_FILE.findall(self.text)) | {path: page(linked) for path, linked in _LINKED.findall(self.text)}

    def changes(self) -> Iterator[tuple[str, str, str]]:
        """The changes that it shows: a file, some lines of it, and the lines in their place."""
        for shown in "".join(_DIFF.findall(self.text)).split("--- a/")[1:]:
            head, *hunks = re.split(r"^@@\n", shown, flags=re.MULTILINE)
            [path] = _CHANGED.findall(head)
            for hunk in hunks:
                lines = hunk.splitlines(keepends=True)
                old, new = ("".join(line[1:] for line in lines if line[0] in {" ", sign}) for sign in "-+")
                yield path, old, new

    def files(self, below: str) -> set[str]:
        """The files of a folder that it touches."""
        touched = {*self.new_files(), *(path for path, _, _ in self.changes())}
        return {path for path in touched if path.startswith(f"{below}/")}

    def lint(self) -> None:
        """Have what it adds checked as the gate does."""
        added = [path for path in self.new_files() if path.endswith(".py")]
        self._run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "--diff", *added)
        self._run(sys.executable, "-m", "ruff", "check", "--no-cache", *added)

    def show(self) -> None:
        """Run what the section says shows that it works, here by this very Python."""
        commands = list(indented_commands(self.text))
        for command in commands:
            uv, run, program, *words = command.split()
            assert (uv, run) == ("uv", "run")
            if program == "python":
                self._run(sys.executable, *words)
            else:
                assert program == "pytest"
                self._run(sys.executable, "-m", program, *words, "-q", "-p", "no:cacheprovider")
        assert any(command.startswith("uv run pytest") for command in commands)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


def section(heading: str) -> str:
    """What stands below a heading of the page."""
    found = re.search(rf"^## {re.escape(heading)}\n(.+?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
    return found[1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("heading", "most"),
    [
        pytest.param("Add a gate", 2, id="gate"),
        pytest.param("Add a sender", 3, id="sender"),
        pytest.param("Add a forge", 4, id="forge"),
    ],
)
def test_a_walk_leads_to_what_works_and_touches_few_files(tmp_path: Path, heading: str, most: int) -> None:
    # With what is compiled, without what is just being written of it.
    for name in _COPIED:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.pyc.*", ".hypothesis"))
        else:
            shutil.copy(source, target)
    walk = Walk(section(heading), tmp_path)
    walk.take()
    walk.lint()
    assert 0 < len(walk.files("app")) <= most
    walk.show()


def test_the_map_names_every_folder_of_the_program() -> None:
    named = set(re.findall(r"`(app/[\w/]*)/`", section("The map")))
    folders = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "app").rglob("__init__.py")} - {"app"}
    holds_only_folders = {"app/services", "app/clients/forges"}
    assert folders - named <= holds_only_folders
    assert named <= folders
