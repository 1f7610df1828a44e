"""What was read out of each blob of a config repository, so that nothing is parsed twice."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.flux.scanning import ScannedFile, is_manifest, scan_file
from app.core.ports import ConfigRepository, TreeEntry
from app.core.promotion.rules import RULES_FILE

REGULAR_FILES = frozenset({"100644", "100755"})
_MOST_CACHED = 50_000


@dataclass(slots=True)
class Scans:
    """What was read out of each blob, so that a run parses only those it has not seen."""

    by_blob: dict[tuple[str, str], ScannedFile] = field(default_factory=dict)

    def of(self, repository: ConfigRepository, entries: Mapping[str, TreeEntry]) -> dict[str, ScannedFile]:
        """Scan the manifests among these files."""
        wanted = {
            path: (path, entry.blob)
            for path, entry in entries.items()
            if entry.mode in REGULAR_FILES and is_manifest(path) and path != RULES_FILE
        }
        missing = {key for key in wanted.values() if key not in self.by_blob}
        if len(self.by_blob) + len(missing) > _MOST_CACHED:
            self.by_blob.clear()
            missing = set(wanted.values())
        contents = repository.blobs({blob for _, blob in missing})
        for path, blob in missing:
            self.by_blob[path, blob] = scan_file(path, contents[blob])
        return {path: self.by_blob[key] for path, key in wanted.items()}
