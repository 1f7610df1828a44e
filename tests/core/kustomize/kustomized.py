"""What Fluxbridge and what kubectl make of the folders of a config repository, for comparing them."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname
from typing import TypeAlias

from app.clients.flux.kubectl import _kustomization_in
from app.clients.flux.kustomize_renderer import KustomizeRenderer
from app.core.flux.estate import Estate, read_estate
from app.core.flux.paths import folder_of, is_manifest
from app.core.flux.scanning import scan_file
from app.core.kustomize.making import Build
from app.core.kustomize.rendered import Render
from app.core.manifests.text.documents import NotText, Value
from app.core.manifests.text.values import at, written_at
from app.core.ports import TreeEntry
from app.services.heads.renderings import Renderings, TreeRenderings

Plain: TypeAlias = "str | dict[str, Plain] | list[Plain] | None"


@dataclass(frozen=True, slots=True)
class World:
    """A config repository's files, laid out for kubectl as well."""

    files: Mapping[str, bytes]
    folder: Path
    kubectl: Path | None

    @classmethod
    def of(cls, files: Mapping[str, bytes], folder: Path, kubectl: Path) -> "World":
        """Write the files below a folder."""
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        return cls(files, folder, kubectl)

    def estate(self, render: Render | None = None) -> Estate:
        """What Fluxbridge reads of it."""
        scans = {path: scan_file(path, content) for path, content in self.files.items() if is_manifest(path)}
        return read_estate(scans, paths=self.files, read=self.files.get, render=render)

    def rendering(self) -> TreeRenderings:
        """Asks kubectl for what Fluxbridge does not follow."""
        entries = {path: TreeEntry("100644", path) for path in self.files}
        return TreeRenderings(Renderings(KustomizeRenderer(self.kubectl)), self, entries)

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        """The contents of files by their paths, which stand for their ids here."""
        return {one: self.files[one] for one in ids}

    def build(self, folder: str) -> Build:
        """What Fluxbridge makes of a folder."""
        return self.estate().builder.build(folder)

    def built(self, folder: str) -> tuple[list[str] | None, str]:
        """What kubectl makes of a folder that has a kustomization.yaml, None where it fails; and what it says."""
        command = [
            str(self.kubectl),
            "kustomize",
            "--load-restrictor",
            "LoadRestrictionsNone",
            str(self.folder / folder),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return None, done.stderr
        return texts(scan_file("built.yaml", done.stdout.encode()).flux.objects), done.stderr

    def built_by_flux(self, folder: str) -> tuple[list[str] | None, str]:
        """The same, where Flux makes the kustomization.yaml if there is none."""
        below = [path.removeprefix(f"{folder}/") for path in self.files if path.startswith(f"{folder}/")]
        with _kustomization_in(self.folder / folder, below):
            return self.built(folder)

    def folders(self) -> list[str]:
        """Those with a kustomization.yaml that kubectl builds by itself, and those that Kustomizations of Flux name."""
        named = {folder_of(written_at(one, "spec", "path")) for one in self._objects() if at(one, "spec", "path")}
        there = {folder for folder in named if any(path.startswith(f"{folder}/") for path in self.files)}
        return sorted(there | {dirname(path) for path in self.files if _is_built(path, self.files[path])})

    def _objects(self) -> list[dict[str, Value]]:
        return [one for path, content in self.files.items() for one in scan_file(path, content).flux.objects]


def _is_built(path: str, content: bytes) -> bool:
    scanned = scan_file(path, content).flux.kustomize
    return scanned is not None and written_at(scanned.content, "kind") != "Component"


def texts(objects: Iterable[dict[str, Value]]) -> list[str]:
    """Objects as texts that are alike where the objects are; of a ConfigMap only what may be a variable counts."""
    text = "\n---\n".join(json.dumps(_plain(one)) for one in objects)
    return sorted(
        json.dumps(_plain(one), sort_keys=True) for one in scan_file("built.yaml", text.encode()).flux.objects
    )


def _plain(value: Value) -> Plain:
    match value:
        case NotText() as written:
            return None if written.is_null else written.written
        case str(text):
            return text
        case list(items):
            return [_plain(one) for one in items]
        case mapping:
            found = {key: new for key, one in mapping.items() if (new := _plain(one)) is not None}
            return {key: one for key, one in found.items() if one != {} or key not in ("labels", "annotations")}


def difference(build: Build, theirs: list[str]) -> list[str]:
    """What is not as kubectl has it, but for objects that are doubted; nothing where all is alike."""
    ours = texts(one.value for one in build.objects if one.doubt is None)
    doubted = len(texts(one.value for one in build.objects if one.doubt is not None))
    missing = list(theirs)
    wrong = []
    for one in ours:
        if one in missing:
            missing.remove(one)
        else:
            wrong.append(f"only here: {one}")
    is_alike = not wrong and (len(missing) == doubted or not build.is_whole)
    return [] if is_alike else wrong + [f"only there: {one}" for one in missing]
