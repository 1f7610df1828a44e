"""What declarations of `.fluxbridge.yaml` find in the files that they name, so that no content is parsed twice."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from app.core.flux.from_rules import Declaration, DeclarationScan, FoundByRules, declared_files
from app.core.manifests.editing import files_beside, find_declared
from app.core.manifests.kinds.charts import without_stale_archives
from app.core.manifests.kinds.declared import FieldScan, Selector
from app.core.ports import Blobs, TreeEntry
from app.core.promotion.rules import Rules

_MOST_KEPT = 20_000
_READ_AT_ONCE = 1_000
_Key: TypeAlias = tuple[tuple[tuple[str, str], ...], tuple[Selector, ...]]
_Wanted: TypeAlias = tuple[Mapping[str, TreeEntry], Sequence[Declaration]]


@dataclass(slots=True)
class RulesScans:
    """Remembers by content what was found: at most `most`, or twice what one look found. Safe in threads."""

    most: int = _MOST_KEPT
    _known: dict[_Key, tuple[FieldScan, ...]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, repository: Blobs, entries: Mapping[str, TreeEntry], rules: Rules) -> FoundByRules:
        """What the rules declare, and what that finds in the regular files of a commit."""
        if not rules.declarations:
            return FoundByRules(rules.policies)
        paths = sorted(path for path, entry in entries.items() if entry.is_regular)
        wanted = {
            path: (_together(path, entries), declarations)
            for path, declarations in declared_files(rules.declarations, paths).items()
        }
        keys = {path: _key(together, declarations) for path, (together, declarations) in wanted.items()}
        known = self._known
        missing = {key: path for path, key in keys.items() if key not in known}
        new = {key: scan for some in _batches(missing) for key, scan in _read(repository, some, wanted)}
        found = {path: new[key] if key in new else known[key] for path, key in keys.items()}
        self._keep(new, used=keys.values())
        archives = [path for path in entries if path.endswith(".tgz")]
        scans = [
            DeclarationScan(declaration, path, without_stale_archives(path, scan, archives))
            for path, (_, declarations) in wanted.items()
            for declaration, scan in zip(declarations, found[path], strict=True)
        ]
        return FoundByRules(rules.policies, rules.declarations, tuple(scans))

    def _keep(self, new: Mapping[_Key, tuple[FieldScan, ...]], used: Iterable[_Key]) -> None:
        with self._lock:
            kept = {**self._known, **new}
            if len(kept) > self.most:
                wanted = set(used)
                kept = {key: scan for key, scan in kept.items() if key in wanted}
                self.most = max(self.most, 2 * len(kept))
            self._known = kept


def _batches(missing: Mapping[_Key, str]) -> Iterator[Mapping[_Key, str]]:
    """Some at a time, for no more than those should be in memory at once."""
    waiting = iter(missing.items())
    while some := dict(islice(waiting, _READ_AT_ONCE)):
        yield some


def _read(
    repository: Blobs, some: Mapping[_Key, str], wanted: Mapping[str, _Wanted]
) -> Iterator[tuple[_Key, tuple[FieldScan, ...]]]:
    blobs = {one.blob for path in some.values() for one in wanted[path][0].values() if one.is_regular}
    contents = repository.blobs(blobs)
    for key, path in some.items():
        together, declarations = wanted[path]
        files = {name: contents[entry.blob] for name, entry in together.items() if entry.is_regular}
        selectors = [one.selector for one in declarations]
        yield key, find_declared(path, files, selectors, unreadable=together.keys() - files.keys())


def _together(path: str, entries: Mapping[str, TreeEntry]) -> Mapping[str, TreeEntry]:
    """A file and those beside it that say where its fields are, also those that are no regular files."""
    return {name: entries[name] for name in (path, *files_beside(path)) if name in entries}


def _key(together: Mapping[str, TreeEntry], declarations: Sequence[Declaration]) -> _Key:
    """Names without folders, for a chart is read by them, and the contents; and what is looked for there."""
    named = tuple((name.rpartition("/")[2], entry.blob if entry.is_regular else "") for name, entry in together.items())
    return named, tuple(one.selector for one in declarations)
