"""What kustomization files must not hold for an offline build: kubectl itself fetches from this machine's own ports."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from posixpath import dirname, join, normpath

from ruamel.yaml.events import NodeEvent

from app.core.kustomize.building import KUSTOMIZE_FILES
from app.core.manifests.text.documents import Value, read_documents
from app.core.manifests.text.parsing import Unparsable, decode, read_events

# A path may follow the key of an entry (`key=path`).
_REMOTE = re.compile(r"(?:[^=]*=)?\s*(?:[a-z][a-z0-9+.-]*://|git::|git@)", re.IGNORECASE)
_TEXTS_THAT_NAME_NOTHING = frozenset({"annotations", "commonAnnotations", "literals", "patch"})
_PLUGINS = frozenset({"generators", "transformers", "validators"})


def why_not_built(path: str, files: Iterable[str], read: Callable[[str], bytes]) -> str | None:
    """Why a folder must not be built, by its kustomization files and those of the folders that these name."""
    inside: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.rpartition("/")[2] in KUSTOMIZE_FILES:
            inside[dirname(file)].append(file)
    waiting, seen = [path], {path}
    while waiting:
        for file in inside.get(waiting.pop(), ()):
            try:
                texts = _texts(decode(read(file)).characters)
            except (Unparsable, _Forbidden) as error:
                return f"kustomization {file}: {error}"
            if any(_REMOTE.match(text) for text in texts):
                return f"kustomization {file} names a remote resource: builds are offline"
            targets = {normpath(join(dirname(file), text)) for text in texts}
            if any(target.partition("/")[0] == ".." for target in targets):
                return f"kustomization {file} names a path outside of the repository"
            folders = {"" if target == "." else target for target in targets} & inside.keys() - seen
            waiting += sorted(folders)
            seen |= folders
    return None


class _Forbidden(Exception):
    """A kustomization file holds what no build takes."""


def _texts(characters: str) -> list[str]:
    """Every text that may name something. Raises Unparsable, _Forbidden."""
    # kustomize decodes `!!binary`, and takes any text with a type of its own for a text.
    if any(isinstance(event, NodeEvent) and _has_type(event) for event in read_events(characters)):
        raise _Forbidden("a value has an explicit type (!): builds take none")
    documents = read_documents(characters)
    for document in documents:
        if isinstance(document, dict) and any(document[key] for key in document if key.lower() in _PLUGINS):
            # The files that these name can have anything fetched, as the built-in plugins do.
            raise _Forbidden("it has generators, transformers or validators: builds are without plugins")
    return [*_walk(documents)]


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
