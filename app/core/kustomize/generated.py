"""The ConfigMaps that kustomize makes of literals and files."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from posixpath import basename, dirname, join, normpath

from app.core.kustomize.objects import KubeObject
from app.core.manifests.text.documents import Value
from app.core.manifests.text.values import at, items_at, text_of, texts_of, written_at

_QUOTES = ("'", '"')
_LONGEST = 65_536
VARIABLE = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")
"""What a key of a ConfigMap is that Flux may take for a variable."""


@dataclass(frozen=True, slots=True)
class GeneratedConfigMap:
    """A ConfigMap that a kustomization.yaml makes, and how it joins one of its name that is there.

    `repeated` is a key that it has twice, which kustomize refuses.
    """

    one: KubeObject
    behavior: str
    repeated: str | None


def config_maps(kustomization: Value, path: str, read: Callable[[str], bytes | None]) -> Iterator[GeneratedConfigMap]:
    """Each ConfigMap that a kustomization.yaml at a path makes, with what may be variables.

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
        entries = list(_entries(one, dirname(path), read))
        data: dict[str, Value] = {key: value for key, value in entries if value is not None}
        made = KubeObject.of({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}, path)
        if len(data) < len({key for key, _ in entries}):
            made = made.doubted("a file that it is made of is not read")
        if not _has_plain_name(kustomization, one):
            made = made.doubted("its name gets a hash")
        repeated = next((key for key, count in Counter(key for key, _ in entries).items() if count > 1), None)
        yield GeneratedConfigMap(made, written_at(one, "behavior") or "create", repeated)


def _has_plain_name(kustomization: Value, generator: Value) -> bool:
    return "true" in (
        written_at(generator, "options", "disableNameSuffixHash"),
        written_at(kustomization, "generatorOptions", "disableNameSuffixHash"),
    )


def _entries(generator: Value, folder: str, read: Callable[[str], bytes | None]) -> Iterator[tuple[str, str | None]]:
    """What it says; None for what stands in a file that cannot be read."""
    for name in map(text_of, (*items_at(generator, "envs"), *items_at(generator, "env"))):
        content = _content(normpath(join(folder, name)), read)
        if content is None:
            yield name, None
        for line in (content or "").removeprefix("\ufeff").splitlines():
            key, equals, value = line.lstrip().partition("=")
            if equals and not key.startswith("#"):
                yield key, value
    for named in map(text_of, items_at(generator, "files")):
        key, equals, name = named.rpartition("=")
        key = key if equals else basename(name)
        if VARIABLE.fullmatch(key):
            yield key, _content(normpath(join(folder, name)), read)
    for literal in map(text_of, items_at(generator, "literals")):
        key, _, value = literal.partition("=")
        is_quoted = len(value) > 1 and value[0] in _QUOTES and value[-1] == value[0]
        yield key, value[1:-1] if is_quoted else value


def _content(path: str, read: Callable[[str], bytes | None]) -> str | None:
    found = read(path)
    return None if found is None or len(found) > _LONGEST else found.decode("utf-8", "replace")


def is_config_map(one: KubeObject) -> bool:
    """Whether an object is a ConfigMap."""
    return one.kind == "ConfigMap" and not one.group


def data_of(one: KubeObject) -> dict[str, str]:
    """What a ConfigMap says."""
    data = at(one.value, "data")
    return {key: written_at(data, key) for key in data} if isinstance(data, dict) else {}
