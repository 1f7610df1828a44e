"""A terminal: what a command prints, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import main

PROGRAM = (sys.executable, "-c", "from app.__main__ import main; main()")
ROOT = Path(__file__).parents[2]
_LONGEST_END_S = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def rows(self) -> Sequence[Sequence[str]]:
        """The cells of the table that it printed, without the heading."""
        return [line.split() for line in self.out.splitlines()[1:]]


@dataclass(frozen=True, slots=True)
class Console:
    """Runs commands in this process with the settings file that was last named."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def use(self, settings_file: Path, environment: Mapping[str, str] | None = None) -> None:
        """Name the settings file, and the secrets that are in the environment."""
        self.monkeypatch.setenv("FLUXBRIDGE_CONFIG", str(settings_file))
        for name, secret in (environment or {}).items():
            self.monkeypatch.setenv(name, secret)

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        written = self.capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int), code
        return Ended(code, written.out, written.err)

    def refused(self, code: int, *arguments: str) -> str:
        """Run a command that must end with this code and one line on standard error; returns that line."""
        ended = self.run(*arguments)
        assert (ended.code, ended.out) == (code, ""), ended
        assert ended.err.startswith("fluxbridge: "), ended.err
        assert ended.err.count("\n") == 1, ended.err
        return ended.err


def start(*arguments: str, settings_file: Path, folder: Path) -> "subprocess.Popen[str]":
    """Start a command in a process of its own."""
    environment = {**os.environ, "FLUXBRIDGE_CONFIG": str(settings_file), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=folder,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def ending(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """A process that the block tells to end: afterwards it has, by itself, or killed where that or the test failed."""
    with process:
        try:
            yield process
            process.wait(_LONGEST_END_S)
        finally:
            process.kill()


def complaints(said: str) -> list[str]:
    """The lines on standard error of a server that tell of more than a busy machine."""
    return [line for line in said.splitlines() if "a transaction was held for long" not in line]


def read_until(lines: Any, words: str) -> list[str]:
    """Read lines until one holds these words; all that were read."""
    read: list[str] = []
    for line in lines:
        read.append(line)
        if words in line:
            return read
    raise AssertionError(f"{words!r} never came: {''.join(read)[-3000:]}")
