"""Trees of config repositories that have no rules yet."""

from collections.abc import Mapping
from pathlib import Path

from app.core.flux.estate import read_estate
from app.core.flux.paths import is_manifest
from app.core.flux.scanning import scan_file
from app.core.flux.tree import assemble
from app.core.promotion.first_rules.proposal import FirstRules, propose_rules


def read_tree(folder: Path) -> Mapping[str, bytes]:
    """The manifests below a folder."""
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path: (folder / path).read_bytes() for path in paths if is_manifest(path)}


def propose(files: Mapping[str, bytes]) -> FirstRules:
    """The first rules for these files."""
    scanned = {path: scan_file(path, content) for path, content in files.items()}
    estate = read_estate(scanned)
    return propose_rules(assemble(scanned, estate=estate), estate, scanned)
