"""Find tags: list every repository that a policy names, and see whether what policies choose is still the same."""

from collections import defaultdict
from functools import partial

from app.core.images import ImageName
from app.db import catalogue, policies, selections
from app.services.catalogue.gone_storms import accept_gone, end_returned, key_of
from app.services.catalogue.note_digest import note_digest
from app.services.heads.judge import Judge
from app.services.sweeps.list_repository import list_repository
from app.services.sweeps.sweep_run import SweepRun


def sweep_tags(run: SweepRun) -> None:
    """List each repository that policies name, where its registry is configured.

    A person who accepts a storm says that what is gone is gone, up to now; what is there again is doubted no more.
    """
    _settle_storms(run)
    with run.database.transaction() as connection:
        named = [ImageName.of_repository(name) for name in policies.repositories(connection)]
    by_registry: dict[str, list[ImageName]] = defaultdict(list)
    for image in named:
        if run.systems.registry_of(image) is not None:
            by_registry[image.registry].append(image)
    kept = [str(image) for images in by_registry.values() for image in images]
    run.end_other_storms([*kept, *map(key_of, run.systems.registries)])
    for host, images in by_registry.items():
        run.each(f"registry {host}", {str(image): partial(_sweep_image, run, image) for image in images})


def _settle_storms(run: SweepRun) -> None:
    if run.is_dry:
        return
    for registry in run.systems.registries:
        is_accepted = run.is_accepted(key_of(registry))
        settle = accept_gone if is_accepted else end_returned
        with run.database.transaction() as connection:
            is_settled = settle(connection, registry, now=run.now())
        if is_settled:
            run.find(f"{key_of(registry)}: {'accepted' if is_accepted else 'there again'}")


def _sweep_image(run: SweepRun, image: ImageName) -> None:
    with run.at(str(image)) as its:
        list_repository(its, image)
    if not run.is_dry:
        # What was chosen may be gone by this list, and what is chosen instead be pushed once more since it was told of.
        Judge(database=run.database, systems=run.systems, ready=run.ready, clock=run.clock).work_out(image)
    ask_chosen_again(run, image)


def ask_chosen_again(run: SweepRun, image: ImageName) -> None:
    """See whether the tags that policies choose of a repository still have the content that is known."""
    with run.database.transaction() as connection:
        choices = [row.stored_choice for row in selections.of_image(connection, image)]
        chosen = {choice.tag for choice in choices if choice is not None and choice.tag is not None}
        known = [tag for tag in catalogue.tags_named(connection, image, chosen) if not tag.is_gone]
    for tag in known:
        # A tag whose digest is not known yet is looked up by the lane that needs it.
        if tag.digest is not None:
            _ask_again(run, image, tag.tag, known=tag.digest)


def _ask_again(run: SweepRun, image: ImageName, tag: str, *, known: str) -> None:
    """A list does not tell that a tag was pushed once more with other content."""
    registry = run.systems.registry_of(image)
    asked_at = run.now()
    digest = registry.digest(image.path, tag) if registry is not None else None
    if digest is None or digest == known:
        return
    run.find(f"{image}:{tag}: other content")
    if run.is_dry:
        return
    with run.database.transaction() as connection:
        note_digest(
            connection,
            image,
            tag,
            digest,
            asked_at=asked_at,
            now=run.now(),
            ready=run.ready,
        )
