"""The ConfigMaps that kustomize makes of literals and files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from posixpath import basename, dirname, join, normpath

from app.core.kustomize.objects import KubeObject
from app.core.manifests.documents import Value
from app.core.manifests.values import at, items_at, texts_of, written_at

_QUOTES = ("'", '"')
_LONGEST = 65_536


@dataclass(frozen=True, slots=True)
class GeneratedConfigMap:
    """A ConfigMap that a kustomization.yaml makes, and how it joins one of its name that is there."""

    one: KubeObject
    behavior: str


def config_maps(kustomization: Value, path: str, read: Callable[[str], bytes | None]) -> Iterator[GeneratedConfigMap]:
    """Each ConfigMap that a kustomization.yaml at a path makes.

    Without its name's hash, which is added where nobody switched it off: then Flux does not find it by the name.
    """
    for one in items_at(kustomization, "configMapGenerator"):
        metadata: dict[str, Value] = {"name": written_at(one, "name")}
        if namespace := written_at(one, "namespace"):
            metadata["namespace"] = namespace
        for key in ("labels", "annotations"):
            common, own = texts_of(kustomization, "generatorOptions", key), texts_of(one, "options", key)
            if common or own:
                metadata[key] = {**common, **own}
        data = dict(_data(one, dirname(path), read))
        value: dict[str, Value] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        made = KubeObject.of(value, path)
        is_plain = "true" in (
            written_at(one, "options", "disableNameSuffixHash"),
            written_at(kustomization, "generatorOptions", "disableNameSuffixHash"),
        )
        behavior = written_at(one, "behavior") or "create"
        yield GeneratedConfigMap(made if is_plain else made.doubted("its name gets a hash"), behavior)


def _data(generator: Value, folder: str, read: Callable[[str], bytes | None]) -> Iterator[tuple[str, Value]]:
    for name in [*items_at(generator, "envs"), *items_at(generator, "env")]:
        content = read(normpath(join(folder, _text(name)))) or b""
        for line in content[:_LONGEST].decode("utf-8-sig", "replace").splitlines():
            key, equals, value = line.lstrip().partition("=")
            if equals and not key.startswith("#"):
                yield key, value
    for named in items_at(generator, "files"):
        key, equals, name = _text(named).rpartition("=")
        found = read(normpath(join(folder, name)))
        if found is not None and len(found) <= _LONGEST:
            yield (key if equals else basename(name)), found.decode("utf-8", "replace")
    for literal in items_at(generator, "literals"):
        key, _, value = _text(literal).partition("=")
        is_quoted = len(value) > 1 and value[0] in _QUOTES and value[-1] == value[0]
        yield key, value[1:-1] if is_quoted else value


def _text(value: Value) -> str:
    return written_at({"": value}, "")


def is_config_map(one: KubeObject) -> bool:
    """Whether an object is a ConfigMap."""
    return one.kind == "ConfigMap" and not one.group


def data_of(one: KubeObject) -> dict[str, str]:
    """What a ConfigMap says."""
    data = at(one.value, "data")
    return {key: written_at(data, key) for key in data} if isinstance(data, dict) else {}
