"""The house keeps its shape: who may import whom, how large things get, what they are called, what is documented."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.parts import require_package

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "app").rglob("*.py"))
LOADING_LATE = {
    ROOT / "app" / "cli" / name
    for name in ("commands.py", "hold_commands.py", "request_commands.py", "sender_commands.py", "edit.py", "reach.py")
}
"""What a command does, and what it needs at times only: a command starts in no time."""
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
EMPTY_WORDS = {"manager", "helper", "util", "common", "base", "handler", "processor", "data", "info", "deps"}

each_module = pytest.mark.parametrize("module", [pytest.param(m, id=str(m.relative_to(ROOT))) for m in MODULES])


@dataclass(frozen=True, slots=True)
class Outline:
    """What the tests of each module ask of it; a syntax tree is made once for all of them and not kept."""

    docstring: str | None
    lengths: list[tuple[str, int]]
    imports_inside: list[str]

    @classmethod
    @cache
    def of(cls, module: Path) -> "Outline":
        tree = ast.parse(module.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        inside = [node for function in functions for node in ast.walk(function)]
        return cls(
            ast.get_docstring(tree),
            [(node.name, (node.end_lineno or 0) - node.lineno + 1) for node in functions],
            [ast.unparse(node) for node in inside if isinstance(node, ast.Import | ast.ImportFrom)],
        )


def test_the_import_contracts_hold() -> None:
    # In a process of its own: import-linter turns off every logger that is there when it starts.
    require_package("importlinter")
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@each_module
def test_no_module_is_too_long_to_read(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@each_module
def test_no_function_is_too_long_to_read(module: Path) -> None:
    assert {name: length for name, length in Outline.of(module).lengths if length > LONGEST_FUNCTION} == {}


@each_module
def test_every_module_says_what_it_is_for(module: Path) -> None:
    assert Outline.of(module).docstring


@each_module
def test_no_module_has_an_empty_name(module: Path) -> None:
    words = set(re.split(r"[/_]", str(module.relative_to(ROOT / "app").with_suffix(""))))
    assert words & (EMPTY_WORDS | {f"{word}s" for word in EMPTY_WORDS}) == set()


@each_module
def test_imports_stand_at_the_top_but_where_a_command_loads_what_it_does(module: Path) -> None:
    if module in LOADING_LATE:
        return
    assert Outline.of(module).imports_inside == []


def test_every_folder_of_the_program_is_a_package() -> None:
    folders = {module.parent for module in MODULES}
    assert {str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()} == set()


def test_what_the_program_decides_never_depends_on_the_environment() -> None:
    reading = re.compile(r"\bos\.(?:environ|getenv)\b|\bfrom os import .*\b(?:environ|getenv)\b")
    layers = {"core", "senders", "db", "services", "web"}
    inner = [module for module in MODULES if module.relative_to(ROOT / "app").parts[0] in layers]
    assert [str(m.relative_to(ROOT)) for m in inner if reading.search(m.read_text(encoding="utf-8"))] == []


def test_the_gate_ends_with_the_test_command_of_the_readme() -> None:
    gate = ROOT / ".ci" / "run"
    command = gate.read_text(encoding="utf-8").splitlines()[-1]
    assert os.access(gate, os.X_OK)
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
