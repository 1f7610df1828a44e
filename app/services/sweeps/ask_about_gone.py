"""Ask for the manifests of tags in use that lists lack: a list that is short makes nothing gone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from app.core.errors import Refused, Unavailable
from app.core.images import ImageName
from app.core.ports import Registry
from app.db import catalogue, lanes, owed_answers
from app.db.listed_tags import Told
from app.services.catalogue.gone_storms import watch_gone
from app.services.catalogue.keep_selections import keep_selections
from app.services.catalogue.note_digest import note_digest
from app.services.catalogue.tags_in_use import tags_in_use
from app.services.sweeps.sweep_run import SweepRun


class _Answer(NamedTuple):
    """Which digest a tag has, or None, by a registry that was asked at `asked_at`."""

    digest: str | None
    asked_at: datetime


def ask_about_gone(
    run: SweepRun, registry: Registry, image: ImageName, told: Mapping[str, Told]
) -> tuple[Mapping[str, Told], Sequence[str]]:
    """Ask for those in use that a list lacks; returns what the list still tells, and those of them that are there.

    One that cannot be asked for is not gone, and one that only this list lacks is missing.
    """
    lacked = {tag for tag, one in told.items() if one in {Told.MISSING, Told.GONE}}
    if not lacked:
        return told, ()
    with run.database.transaction() as connection:
        in_use = tags_in_use(connection, image) & lacked
    answers: dict[str, _Answer] = {}
    for tag in sorted(in_use):
        asked_at = run.now()
        try:
            answer = _Answer(registry.digest(image.path, tag), asked_at)
        except (Unavailable, Refused) as error:
            run.failures.append(
                f"{image}:{tag} is missing from lists, but is not gone before it was asked for: {error}"
            )
            continue
        if answer.digest is not None or told[tag] is Told.GONE:
            answers[tag] = answer
    if answers and not run.is_dry:
        _note(run, image, answers)
    for tag, answer in answers.items():
        if answer.digest is None:
            run.find(f"{image}: {tag} is gone")
    settled = answers.keys() | {tag for tag in in_use if told[tag] is Told.GONE}
    left = {tag: one for tag, one in told.items() if tag not in settled}
    return left, [tag for tag, answer in answers.items() if answer.digest is not None]


def _note(run: SweepRun, image: ImageName, answers: Mapping[str, _Answer]) -> None:
    """Write all answers down together: tags that are gone are counted before any lane moves because of one."""
    now = run.now()
    denied = {tag: answer.asked_at for tag, answer in answers.items() if answer.digest is None}
    with run.database.transaction() as connection:
        catalogue.lock(connection, [image], now)
        for tag, asked_at in denied.items():
            catalogue.note_missing(connection, image, tag, is_deleted=True, asked_at=asked_at)
            owed_answers.settle(connection, image, tag, asked_at=asked_at)
        if denied:
            watch_gone(connection, image.registry, now)
            keep_selections(connection, run.ready, image, denied)
            keys = sorted(lanes.lanes_of_image(connection, image))
            lanes.raise_wanted(connection, keys, now=now)
        for tag, (digest, asked_at) in answers.items():
            if digest is not None:
                note_digest(connection, image, tag, digest, asked_at=asked_at, now=now, ready=run.ready)
