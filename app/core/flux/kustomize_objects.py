"""Flux's Kustomizations and sources, and kustomization.yaml files, as their files have them."""

from collections.abc import Iterator

from app.core.flux.written import KustomizeFile, WrittenKustomization, WrittenSource
from app.core.manifests.kinds.overriding import REF_KEYS
from app.core.manifests.text.documents import NotText, Value
from app.core.manifests.text.values import at, written_at

_HEADS = "refs/heads/"
_LISTS_OF_PATHS = (
    "resources",
    "bases",
    "components",
    "crds",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "patchesStrategicMerge",
)
_LISTS_WITH_PATHS = {
    "patches": ("path",),
    "patchesJson6902": ("path",),
    "replacements": ("path",),
    "helmCharts": ("valuesFile", "additionalValuesFiles"),
    "configMapGenerator": ("files", "envs", "env"),
    "secretGenerator": ("files", "envs", "env"),
}


def read_kustomization(written: Value) -> WrittenKustomization:
    """Read a Kustomization of Flux."""
    return WrittenKustomization(
        namespace=written_at(written, "metadata", "namespace"),
        name=written_at(written, "metadata", "name"),
        path=written_at(written, "spec", "path"),
        target_namespace=written_at(written, "spec", "targetNamespace"),
        is_suspended=written_at(written, "spec", "suspend").lower() == "true",
        source_kind=written_at(written, "spec", "sourceRef", "kind"),
        source_namespace=written_at(written, "spec", "sourceRef", "namespace"),
        source_name=written_at(written, "spec", "sourceRef", "name"),
    )


def read_source(written: Value) -> WrittenSource:
    """Read a GitRepository, OCIRepository or Bucket."""
    bucket = f"{written_at(written, 'spec', 'endpoint')}/{written_at(written, 'spec', 'bucketName')}"
    return WrittenSource(
        kind=written_at(written, "kind"),
        namespace=written_at(written, "metadata", "namespace"),
        name=written_at(written, "metadata", "name"),
        url=written_at(written, "spec", "url") or bucket,
        branch=_branch(written),
        pinned=_pinned(written),
        is_suspended=written_at(written, "spec", "suspend").lower() == "true",
    )


def _branch(written: Value) -> str:
    """The branch that a GitRepository follows: source-controller takes a ref's name before its branch."""
    if written_at(written, "kind") != "GitRepository":
        return ""
    name = _ref(written, "name")
    return name.removeprefix(_HEADS) if name.startswith(_HEADS) else _ref(written, "branch")


def _pinned(written: Value) -> str:
    """What keeps a GitRepository from following a branch."""
    if written_at(written, "kind") != "GitRepository":
        return ""
    for key in REF_KEYS["GitRepository"]:
        match key, _ref(written, key):
            case _, "":
                continue
            case "commit", commit:
                return f"commit {commit[:12]}"
            case "name", name:
                return "" if name.startswith(_HEADS) else name[:200]
            case "semver" | "tag", found:
                return f"{key} {found[:200]}"
    return ""


def _ref(written: Value, key: str) -> str:
    return written_at(written, "spec", "ref", key)


def read_kustomize_file(written: Value) -> KustomizeFile:
    """Read a kustomization.yaml; paths that lie elsewhere (URLs) are among its names."""
    content = {key: value for key, value in written.items() if key != "images"} if isinstance(written, dict) else {}
    return KustomizeFile(names=tuple(_names(written)), content=content)


def _names(written: Value) -> Iterator[str]:
    for key in _LISTS_OF_PATHS:
        for item in _items(at(written, key)):
            yield from _paths(item)
    for key, paths in _LISTS_WITH_PATHS.items():
        for item in _items(at(written, key)):
            for path in paths:
                for named in _items(at(item, path)):
                    yield from _paths(named)
    yield from _paths(at(written, "openapi", "path"))


def _items(value: Value | None) -> list[Value]:
    """A list's items; a lone value counts as a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _paths(value: Value | None) -> Iterator[str]:
    """A path, also out of a generator's `key=path`; inline patches of several lines are none."""
    match value:
        case str(text) | NotText(text) if "\n" not in text:
            yield text.rpartition("=")[2]
        case _:
            return
