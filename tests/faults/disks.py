"""A small disk of its own, which can be filled to the last byte."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts import require_program

_SIZE = "32m"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system that is mounted at `path`."""

    path: Path

    def fill(self) -> None:
        """Leave no byte free, now or after a file there has shrunk by a little."""
        with (self.path / "ballast").open("ab", buffering=0) as ballast:
            size = _CHUNK
            while size:
                try:
                    ballast.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self) -> None:
        """Make room again."""
        (self.path / "ballast").unlink()


@contextmanager
def small_disk(path: Path) -> Iterator[Disk]:
    """Mount one, which only root may do, and not in every container."""
    mount = require_program("mount", "apt-get install -y mount")
    path.mkdir()
    command = [mount, "-t", "tmpfs", "-o", f"size={_SIZE}", "fluxbridge-test", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk may not be mounted here ({done.stderr.strip()}): run it as root on a machine")
    try:
        yield Disk(path)
    finally:
        subprocess.run([Path(mount).with_name("umount"), "--lazy", path], check=True)
