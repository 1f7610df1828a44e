"""What was read out of each blob of a config repository, so that nothing is parsed twice."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from app.core.flux.paths import is_manifest
from app.core.flux.scanning import ScannedFile, is_kustomize_file, scan_file
from app.core.ports import Blobs, ManifestRenderer, TreeEntry
from app.core.promotion.rules import RULES_FILE, Rules
from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.rules_reading import read_rules
from app.services.heads.estates import Estates
from app.services.heads.rules_scans import RulesScans

SILENT = ScannedFile()
"""The scan of every file that says nothing."""

_MOST_SCANS = 100_000
_MOST_VIEWS = 8
_READ_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class _View:
    """The tree of a repository that was looked at last: its files that say something, and one of each folder's rest."""

    repository: Blobs
    entries: Mapping[str, TreeEntry] = field(default_factory=dict)
    telling: Mapping[str, ScannedFile] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)


class Scans:
    """What was read out of each blob, so that a run parses only those it has not seen, and looks only at what differs.

    `by_rules` is the same for what `.fluxbridge.yaml` declares, and `estates` for what all of it says together, with
    what the `renderer` makes of folders that are not followed. They are of this process: its first look reads every
    file. At most `most` scans are held, or twice those of the trees looked at last. Safe in threads.
    """

    def __init__(self, *, most: int = _MOST_SCANS, renderer: ManifestRenderer | None = None) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: dict[str, ScannedFile] = {}
        self._views: list[_View] = []
        self._rules: dict[str, Rules | InvalidRules] = {}
        self.by_rules = RulesScans()
        self.estates = Estates(renderer)

    def of(self, repository: Blobs, entries: Mapping[str, TreeEntry]) -> dict[str, ScannedFile]:
        """Scan the manifests among these files.

        Those that say nothing are left out but for one of each folder, so that every folder with manifests is known.
        """
        last = next((view for view in self._views if view.repository is repository), _View(repository))
        changed = {path: entry for path, entry in entries.items() if last.entries.get(path) is not entry}
        scanned = self._scan(repository, {path: entry for path, entry in changed.items() if _is_scanned(path, entry)})
        gone = changed.keys() | (last.entries.keys() - entries.keys())
        telling = {path: scan for path, scan in last.telling.items() if path not in gone}
        telling |= {path: scan for path, scan in scanned.items() if scan is not SILENT}
        silent = {folder: path for folder, path in last.silent.items() if path not in gone}
        silent |= _one_of_each_folder(path for path in scanned if path not in telling)
        if last.silent.keys() - silent.keys():
            others = (path for path, entry in entries.items() if path not in telling and _is_scanned(path, entry))
            silent = _one_of_each_folder(others)
        with self._lock:
            views = [view for view in self._views if view.repository is not repository]
            self._views = [_View(repository, entries, telling, silent), *views][:_MOST_VIEWS]
        return telling | dict.fromkeys(silent.values(), SILENT)

    def rules(self, repository: Blobs, blob: str) -> Rules:
        """The rules that a blob holds, read once. Raises InvalidRules."""
        found = self._rules.get(blob)
        if found is None:
            try:
                found = read_rules(repository.blobs([blob])[blob])
            except InvalidRules as error:
                found = error
            self._rules = {**dict(islice(self._rules.items(), _MOST_VIEWS)), blob: found}
        if isinstance(found, InvalidRules):
            raise found
        return found

    def _scan(self, repository: Blobs, entries: Mapping[str, TreeEntry]) -> dict[str, ScannedFile]:
        """Every one of these manifests; those never seen before are read."""
        known = self._known
        keys = {path: _key(path, entry) for path, entry in entries.items()}
        missing = {key: (path, entries[path].blob) for path, key in keys.items() if key not in known}
        new = self._read(repository, missing)
        if new:
            self._keep(new, used=frozenset(keys.values()))
        return {path: new[key] if key in new else known[key] for path, key in keys.items()}

    def _read(self, repository: Blobs, wanted: Mapping[str, tuple[str, str]]) -> dict[str, ScannedFile]:
        """Scan blobs by their keys, some at a time, for no more than those should be in memory at once."""
        new: dict[str, ScannedFile] = {}
        waiting = iter(wanted.items())
        while some := dict(islice(waiting, _READ_AT_ONCE)):
            contents = repository.blobs({blob for _, blob in some.values()})
            for key, (path, blob) in some.items():
                scan = scan_file(path, contents[blob])
                new[key] = SILENT if scan == SILENT else scan
        return new

    def _keep(self, new: Mapping[str, ScannedFile], *, used: frozenset[str]) -> None:
        with self._lock:
            known = {**self._known, **new}
            if len(known) > self._most:
                used |= {_key(path, entry) for view in self._views for path, entry in view.entries.items()}
                known = {key: scan for key, scan in known.items() if key in used}
                self._most = max(self._most, 2 * len(known))
            self._known = known


def _one_of_each_folder(paths: Iterable[str]) -> dict[str, str]:
    return {path.rpartition("/")[0]: path for path in paths}


def _is_scanned(path: str, entry: TreeEntry) -> bool:
    return entry.is_regular and is_manifest(path) and path != RULES_FILE


def _key(path: str, entry: TreeEntry) -> str:
    """The content, and what of the path its scan depends on."""
    return f"{entry.blob}:kustomize" if is_kustomize_file(path) else entry.blob
