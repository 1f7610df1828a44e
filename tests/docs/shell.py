"""A shell in which the commands of a page are typed, with `fluxbridge` on its PATH."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.console import PROGRAM, ROOT
from tests.docs.pages import fits, session
from tests.parts import require_shell

_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Shell:
    """Types in a folder. `here` makes of what a page says what holds on this machine, `there` of what is printed."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    here: Callable[[str], str] = str
    there: Callable[[str], str] = str

    def type(self, script: str) -> str:
        """Run a script; returns what it printed. Fails where it does."""
        done = subprocess.run(
            [require_shell(), "-euc", self.here(script)],
            cwd=self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def follow(self, shown: str) -> None:
        """Type a session; each command must, before long, print what the page shows."""
        for command, printed in session(shown):
            ends_at = time.monotonic() + _PATIENCE_S
            while not fits(printed, told := self.there(self.type(command))):
                assert time.monotonic() < ends_at, f"{command}\n{told}"

    def variables(self) -> Mapping[str, str]:
        """The environment of the shell."""
        programs = self.folder / ".programs"
        if not programs.exists():
            programs.mkdir()
            (programs / "fluxbridge").write_text(f"#!{sys.executable}\n{PROGRAM[2]}\n")
            (programs / "fluxbridge").chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name != "FLUXBRIDGE_CONFIG"}
        path = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        return {**kept, **path, "PYTHONUNBUFFERED": "1", "NO_PROXY": "*", "TERM": "dumb", **self.environment}
