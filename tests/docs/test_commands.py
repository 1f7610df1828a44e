"""The commands on the pages are commands of the program, and every block says how it is known to be right."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.command_reference import commands
from tests.docs.pages import ROOT, indented_commands, session
from tests.parts import require_shell

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "jenkins").glob("*.md"))]
PAGES += sorted((ROOT / "deploy").rglob("*.md"))
BLOCK = re.compile(r"^ *```(?P<language>\w*)(?P<file> \S+)?\n(?P<text>.*?)^ *```", re.DOTALL | re.MULTILINE)
LANGUAGES = {"console", "sh", "yaml", "json", "groovy", "mermaid", "diff", "text"}
TYPED = {
    "docs/check.md": "tests/docs/test_sessions.py",
    "docs/edit.md": "tests/docs/test_sessions.py",
    "docs/flux.md": "tests/test_flux_pages.py",
    "docs/from-image-automation.md": "tests/test_flux_pages.py",
    "docs/get-started.md": "tests/docs/test_get_started.py",
    "docs/operations.md": "tests/docs/test_operations.py",
    "docs/policies.md": "tests/docs/test_sessions.py",
}
"""Who types the sessions of a page and compares. What stands indented is only checked for what it names."""
_SHELL = re.compile(r"[|;]|&&|#| > | < ")


def written(path: Path) -> Iterator[str]:
    """Every `fluxbridge …` that a page tells to type."""
    text = path.read_text(encoding="utf-8")
    lines = list(indented_commands(text))
    for found in BLOCK.finditer(text):
        if found["language"] == "console":
            lines += [command for command, _ in session(found["text"])]
        elif found["language"] == "sh":
            lines += found["text"].splitlines()
    prose = BLOCK.sub("", text)
    lines += re.findall(r"`(fluxbridge [^`]+)`", prose)
    for line in lines:
        for part in _SHELL.split(line):
            if named := re.search(r"(?:^|\buv run |-- |\bexec bridge )fluxbridge (\S.*)$", part.strip()):
                yield named[1].strip()


EVERY = sorted({(path.relative_to(ROOT).as_posix(), line) for path in PAGES for line in written(path)})


@pytest.mark.parametrize(("page", "line"), EVERY)
def test_a_command_is_one_with_these_options(page: str, line: str) -> None:
    words = shlex.split(line.replace("…", ""))
    if words[0] == "--version" or words[0].startswith("-"):
        return
    every = commands()
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in every), None)
    groups = {each.split()[0] for each in every if " " in each}
    assert name or words[0] in groups, f"{page}: fluxbridge {line}"
    if name:
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= every[name].options, f"{page}: fluxbridge {line}"


@pytest.mark.parametrize("path", [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in PAGES])
def test_every_block_is_of_a_kind_that_is_shown(path: Path) -> None:
    blocks = list(BLOCK.finditer(path.read_text(encoding="utf-8")))
    named = any(found["file"] for found in blocks)
    assert named == (path.name == "contributing.md"), "new files are made and tried by tests/docs/test_contributing.py"
    languages = [found["language"] for found in blocks if not found["file"]]
    assert [one for one in languages if one not in LANGUAGES] == []
    typed_by = TYPED.get(path.relative_to(ROOT).as_posix())
    assert ("console" in languages) == (typed_by is not None)
    assert typed_by is None or path.name in (ROOT / typed_by).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in PAGES])
def test_a_shell_takes_every_command_line(path: Path) -> None:
    bash = require_shell()
    text = path.read_text(encoding="utf-8")
    scripts = [found["text"] for found in BLOCK.finditer(text) if found["language"] == "sh"]
    for script in (*scripts, *indented_commands(text)):
        done = subprocess.run([bash, "-n", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stderr}"
