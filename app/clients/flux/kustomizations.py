"""What kustomization files must not hold for an offline build: kubectl itself fetches from this machine's own ports."""

import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from posixpath import dirname, join, normpath

from ruamel.yaml.events import NodeEvent

from app.core.kustomize.rendered import KUSTOMIZE_FILES
from app.core.manifests.text.documents import Value, read_documents
from app.core.manifests.text.parsing import Unparsable, decode, read_events
from app.core.manifests.text.values import at, items_at, written_at

# A path may follow the key of an entry (`key=path`). Some hosts are known to kustomize without a scheme.
_REMOTE = re.compile(
    r"(?:[^=]*=)?\s*(?:[a-z][a-z0-9+.-]*://|git::|gh:|git@|[a-z0-9._-]+@[a-z0-9.-]+:|(?:www\.)?github\.com[/:])",
    re.IGNORECASE,
)
_TEXTS_THAT_NAME_NOTHING = frozenset({"annotations", "commonAnnotations", "literals", "patch"})
_PLUGINS = frozenset({"generators", "transformers", "validators"})
_NO_PLUGINS = "it has generators, transformers or validators that are not built in: builds are without plugins"
_FUNCTION = "config.kubernetes.io/"
_BUILT_IN = frozenset(
    {
        *(f"{what}Transformer" for what in ("Prefix", "Suffix", "PrefixSuffix", "Namespace", "Label", "Annotations")),
        *(
            f"{what}Transformer"
            for what in ("Patch", "PatchJson6902", "PatchStrategicMerge", "Replacement", "ValueAdd")
        ),
        *(f"{what}Transformer" for what in ("ReplicaCount", "ImageTag", "Hash")),
        *("ConfigMapGenerator", "SecretGenerator"),
    }
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def on_one_line(words: str) -> str:
    """Words with a blank for what would break their line, or what a terminal obeys."""
    return _CONTROL.sub(" ", words)


def is_plain_path(path: str) -> bool:
    """Tell whether a path leads straight down from the top of the repository."""
    return not {"", ".", ".."} & set(path.split("/"))


def why_not_built(path: str, files: Iterable[str], read: Callable[[str], bytes]) -> str | None:
    """Why a folder must not be built, by its kustomization files and those of the folders that these name; one line."""
    refusal = _refusal(path, files, read)
    return None if refusal is None else on_one_line(refusal)


def _refusal(path: str, files: Iterable[str], read: Callable[[str], bytes]) -> str | None:
    files = frozenset(files)
    inside: dict[str, list[str]] = defaultdict(list)
    for file in sorted(files):
        if file.rpartition("/")[2] in KUSTOMIZE_FILES:
            inside[dirname(file)].append(file)
    waiting, seen = [path], {path}
    while waiting:
        for file in inside.get(waiting.pop(), ()):
            try:
                documents = _documents(read(file))
                documents += [each for text in _plugins(documents) for each in _plugin(text, file, files, read)]
            except (Unparsable, _Forbidden) as error:
                return f"kustomization {file}: {error}"
            texts = [*_walk(documents)]
            if any(_REMOTE.match(text) for text in texts):
                return f"kustomization {file} names a remote resource: builds are offline"
            named = {name for text in texts for name in (text, text.partition("=")[2]) if name}
            targets = {normpath(join(dirname(file), name)) for name in named}
            if any(target.partition("/")[0] in ("", "..") for target in targets):
                return f"kustomization {file} names a path outside of the repository"
            folders = {"" if target == "." else target for target in targets} & inside.keys() - seen
            waiting += sorted(folders)
            seen |= folders
    return None


class _Forbidden(Exception):
    """A kustomization file holds what no build takes."""


def _documents(content: bytes) -> list[Value]:
    """The documents of a file that has built-in types alone. Raises Unparsable, _Forbidden."""
    characters = decode(content).characters
    # kustomize decodes `!!binary`, and takes any text with a type of its own for a text.
    if any(isinstance(event, NodeEvent) and _has_type(event) for event in read_events(characters)):
        raise _Forbidden("a value has an explicit type (!): builds take none")
    return read_documents(characters)


def _plugins(documents: Iterable[Value]) -> Iterator[str]:
    """What a kustomization file names as generators and transformers. Raises _Forbidden."""
    for document in documents:
        for key in document if isinstance(document, dict) else ():
            if key.lower() not in _PLUGINS:
                continue
            for named in items_at(document, key):
                if not isinstance(named, str) or key.lower() == "validators":
                    raise _Forbidden(_NO_PLUGINS)
                yield named


def _plugin(text: str, file: str, files: Container[str], read: Callable[[str], bytes]) -> list[Value]:
    """What a generator or transformer says, inline or in a file, where it is built in. Raises Unparsable, _Forbidden.

    What it names is to be looked at as well: those that are built in can have anything fetched.
    """
    documents = _documents(text.encode())
    if not any(isinstance(one, dict) for one in documents):
        path = normpath(join(dirname(file), text))
        if path not in files:
            raise _Forbidden(_NO_PLUGINS)
        documents = _documents(read(path))
    for one in documents:
        annotations = at(one, "metadata", "annotations")
        is_function = isinstance(annotations, dict) and any(_FUNCTION in key for key in annotations)
        is_built_in = written_at(one, "apiVersion") == "builtin" and written_at(one, "kind") in _BUILT_IN
        if is_function or not is_built_in:
            raise _Forbidden(_NO_PLUGINS)
    return documents


def _has_type(event: NodeEvent) -> bool:
    tag = getattr(event, "tag", None)
    return tag is not None and tag != "!"


def _walk(documents: list[Value]) -> Iterator[str]:
    """Texts wherever they are; what aliases share is met once."""
    waiting: list[Value] = [*documents]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)) and id(value) not in seen:
            seen.add(id(value))
            named = (
                value if isinstance(value, list) else [value[key] for key in value.keys() - _TEXTS_THAT_NAME_NOTHING]
            )
            waiting += named
