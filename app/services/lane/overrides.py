"""What decides in place of fields at a revision that Flux tells of, as far as Git shows it."""

from collections.abc import Callable, Collection, Iterable, Mapping

from app.core.flux.objects import FluxKustomization
from app.core.flux.overridden import overridden_beside
from app.core.flux.rendering import Override
from app.core.flux.resolved import Field
from app.core.images import is_digest
from app.core.ports import ConfigRepository
from app.services.heads.view import HeadView


def overrides_of(
    repository: ConfigRepository, view: HeadView, kustomization: FluxKustomization, fields: Collection[Field]
) -> Mapping[Field, tuple[Override, ...]]:
    """What overrides each of these fields, which this Kustomization reaches: its neighbours, and what renders it."""
    known: dict[str, bytes | None] = {}
    rendering = view.tree.rendering_of(kustomization, _reading(repository, view, known))
    files = {one.file for one in fields}
    ways = {path for file in files for path in rendering.way_up(file)}
    known |= _contents(repository, view, files | ways | {kustomization.file})
    found = dict(overrides_beside(view))
    for one in fields:
        rendered = rendering.override_of(one)
        if rendered is not None:
            found[one] = (*found.get(one, ()), rendered)
    return found


def overrides_beside(view: HeadView) -> Mapping[Field, tuple[Override, ...]]:
    """What stands beside fields and decides in their place, whoever applies them."""
    found: dict[Field, tuple[Override, ...]] = {}
    for one, neighbour in overridden_beside(view.tree.fields):
        what = f"{one.file}:{neighbour.line} {neighbour.where} '{neighbour.text}'"
        override = Override(what, neighbour.text if is_digest(neighbour.text) else None)
        found[one] = (*found.get(one, ()), override)
    return found


def decisive(overrides: Iterable[Override], *, digest: str | None) -> Override | None:
    """The first that decides on another image than the one with this digest."""
    return next((one for one in overrides if digest is None or one.digest != digest), None)


def _reading(
    repository: ConfigRepository, view: HeadView, known: dict[str, bytes | None]
) -> Callable[[str], bytes | None]:
    """Reads regular files of the view's commit, each once."""

    def read(path: str) -> bytes | None:
        if path not in known:
            known[path] = _contents(repository, view, [path]).get(path)
        return known[path]

    return read


def _contents(repository: ConfigRepository, view: HeadView, paths: Iterable[str]) -> dict[str, bytes]:
    """The contents of those paths that are regular files, read at once."""
    blobs = {path: entry.blob for path in paths if (entry := view.entries.get(path)) is not None and entry.is_regular}
    contents = repository.blobs(set(blobs.values())) if blobs else {}
    return {path: contents[blob] for path, blob in blobs.items()}
