"""The file that keeps scans over a restart: a cache like the mirrors beside it, safe to delete."""

import fcntl
import hashlib
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

import structlog

import app.core
from app.core.flux.stored import NotStored, read_scan, write_scan
from app.core.flux.written import ScannedFile

SILENT = ScannedFile()
"""The scan of every file that says nothing."""

_MOST_BYTES = 64_000_000
_log = structlog.get_logger("fluxbridge.scans")


@cache
def scanner_version() -> str:
    """A name for what scans files in this program: it changes with every line of the core and with the parser."""
    core = Path(app.core.__path__[0])
    seen = hashlib.sha256(f"{version('fluxbridge')} {version('ruamel.yaml')} {version('ruamel.yaml.clib')}".encode())
    for module in sorted(core.rglob("*.py")):
        seen.update(f"\n{module.relative_to(core)}\n".encode() + module.read_bytes())
    return seen.hexdigest()


class KeptScans:
    """Scans by key in a file: a line that names the scanner, then for each scan a line with its checksum.

    Nothing depends on it: a file that is broken, of another scanner or not writable is told in the log, no more.
    Threads and processes may share one.
    """

    def __init__(self, path: Path, *, scanner: str, most_bytes: int = _MOST_BYTES) -> None:
        self._path, self._head, self._most_bytes = path, f"scans by {scanner}\n".encode(), most_bytes

    def load(self) -> dict[str, ScannedFile]:
        """Every scan of the file; none where it is missing or cannot be used, and then it is removed."""
        with self._failure_told(), self._locked():
            if not self._path.exists():
                return {}
            head, _, lines = self._path.read_bytes().partition(b"\n")
            if head + b"\n" == self._head:
                try:
                    return _read(lines)
                except (NotStored, ValueError) as error:
                    _log.warning("the kept scans are damaged: all files are read anew", why=str(error))
            else:
                _log.info("the kept scans are of another version: all files are read anew")
            self._path.unlink()
        return {}

    def add(self, scans: Mapping[str, ScannedFile], *, all_scans: Mapping[str, ScannedFile]) -> None:
        """Write scans behind those of the file; all of them anew where the file is missing, not ours or too large."""
        with self._failure_told(), self._locked():
            if self._has_room():
                with self._path.open("ab") as file:
                    file.write(_lines(scans))
            else:
                self._write(all_scans)

    def replace(self, scans: Mapping[str, ScannedFile]) -> None:
        """Put these scans in the place of all."""
        with self._failure_told(), self._locked():
            self._write(scans)

    def _has_room(self) -> bool:
        if not self._path.exists() or self._path.stat().st_size > self._most_bytes:
            return False
        with self._path.open("rb") as file:
            return file.readline(len(self._head)) == self._head

    def _write(self, scans: Mapping[str, ScannedFile]) -> None:
        with tempfile.TemporaryDirectory(dir=self._path.parent, prefix=f".{self._path.name}-") as folder:
            fresh = Path(folder) / "fresh"
            fresh.write_bytes(self._head + _lines(scans))
            self._most_bytes = max(self._most_bytes, 2 * fresh.stat().st_size)
            fresh.replace(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file against others."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(f"{self._path.name}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        """What the disk refuses is told and no more, for the scans are in memory all the same."""
        try:
            yield
        except OSError as error:
            _log.warning("the kept scans cannot be used", file=self._path.name, why=error.strerror)


def _lines(scans: Mapping[str, ScannedFile]) -> bytes:
    return b"".join(_line(key, scan) for key, scan in scans.items())


def _line(key: str, scan: ScannedFile) -> bytes:
    try:
        text = key if scan is SILENT else f"{key} {write_scan(scan)}"
    except NotStored:
        return b""
    return b"%08x %s\n" % (zlib.crc32(text.encode()), text.encode())


def _read(lines: bytes) -> dict[str, ScannedFile]:
    """Raises NotStored, and ValueError for a line that is not as it was written."""
    found: dict[str, ScannedFile] = {}
    *whole, rest = lines.split(b"\n")
    if rest:
        raise ValueError("it breaks off")
    for line in whole:
        checksum, _, text = line.partition(b" ")
        if int(checksum, 16) != zlib.crc32(text):
            raise ValueError("a checksum is wrong")
        key, _, scan = text.decode().partition(" ")
        found[key] = read_scan(scan) if scan else SILENT
    return found
