"""What kustomize made of folders, kept by all that each was made of: another head asks only for what differs."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from app.core.errors import Refused, Unavailable
from app.core.flux.scanning import read_rendered
from app.core.kustomize.rendered import Rendered, Wanted
from app.core.manifests.text.parsing import Unparsable
from app.core.ports import Blobs, ManifestRenderer, TreeEntry

_MOST_KEPT = 2_000
_MOST_FILES = 5_000
_MOST_BYTES = 32 << 20
_MOST_SECONDS = 120.0
_READ_AT_ONCE = 500
_TRY_AGAIN_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer; one that may be another one later is asked for again then."""

    rendered: Rendered
    until: float | None = None


class _TooMuch(Exception):
    """A folder needs more files than are handed out."""


class Renderings:
    """Asks for the rendering of folders, each once for all that it is made of. Safe in threads."""

    def __init__(self, renderer: ManifestRenderer, *, now: Callable[[], float] = time.monotonic) -> None:
        self._renderer, self._now = renderer, now
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def find(self, key: str) -> Rendered | None:
        """What is kept under a key."""
        kept = self._kept.get(key)
        return None if kept is None or (kept.until is not None and kept.until <= self._now()) else kept.rendered

    def make(self, key: str, wanted: Wanted, read: Callable[[], Mapping[str, bytes]]) -> tuple[Rendered, float]:
        """Render, and keep what comes of it; with the seconds that it took."""
        start = self._now()
        until = None
        try:
            rendered = self._render(wanted, read())
        except _TooMuch as error:
            rendered = Rendered(problem=str(error))
        except (Refused, Unavailable) as error:
            rendered, until = Rendered(problem=str(error)), self._now() + _TRY_AGAIN_AFTER_S
        with self._lock:
            self._kept = {**self._kept, key: _Kept(rendered, until)}
            if len(self._kept) > _MOST_KEPT:
                self._kept = dict(islice(self._kept.items(), _MOST_KEPT // 2, None))
        return rendered, self._now() - start

    def _render(self, wanted: Wanted, files: Mapping[str, bytes]) -> Rendered:
        try:
            top = wanted.kustomization(files.get(wanted.top))
            built = self._renderer.render(wanted.folder, {**files, wanted.top: top})
            return Rendered(problem=built.problem) if built.problem else Rendered(read_rendered(built.text))
        except Unparsable as error:
            return Rendered(problem=str(error))


@dataclass
class TreeRenderings:
    """The renderings of one tree; `asked` are all of them, with their answers."""

    of_all: Renderings
    repository: Blobs
    entries: Mapping[str, TreeEntry]
    asked: list[tuple[Wanted, Rendered]] = field(default_factory=list)
    _spent_s: float = 0.0

    def __call__(self, wanted: Wanted) -> Rendered:
        """What kustomize makes of a folder."""
        blobs = {
            path: entry.blob
            for path in sorted(wanted.files)
            if (entry := self.entries.get(path)) is not None and entry.is_regular
        }
        key = hashlib.sha256(
            repr((wanted.folder, wanted.top, wanted.resources, wanted.spec, blobs)).encode()
        ).hexdigest()
        rendered = self.of_all.find(key)
        if rendered is None and self._spent_s > _MOST_SECONDS:
            rendered = Rendered(problem=f"rendering other folders took more than {_MOST_SECONDS:g} s")
        elif rendered is None:
            rendered, took_s = self.of_all.make(key, wanted, lambda: self._read(blobs))
            self._spent_s += took_s
        self.asked.append((wanted, rendered))
        return rendered

    def _read(self, blobs: Mapping[str, str]) -> Mapping[str, bytes]:
        if len(blobs) > _MOST_FILES:
            raise _TooMuch(f"it is made of more than {_MOST_FILES} files")
        found: dict[str, bytes] = {}
        size = 0
        paths = iter(blobs)
        while some := list(islice(paths, _READ_AT_ONCE)):
            contents = self.repository.blobs({blobs[path] for path in some})
            found |= {path: contents[blobs[path]] for path in some}
            size += sum(len(found[path]) for path in some)
            if size > _MOST_BYTES:
                raise _TooMuch(f"it is made of more than {_MOST_BYTES >> 20} MiB of files")
        return found
