"""Ask the registries what they owe, each thing by itself: one that cannot be asked keeps nothing else waiting."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import structlog
from sqlalchemy import Connection

from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.core.images import ImageName, is_tag
from app.core.ports import Registry
from app.db import catalogue, lanes, listing_wishes, owed_answers, selections
from app.db.catalogue import NamedDigest
from app.db.database import Database, DatabaseUnavailable
from app.db.owed_answers import NewlyOwed, OwedAnswer
from app.services.catalogue.gone_storms import watch_gone
from app.services.catalogue.keep_selections import keep_all_selections
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.catalogue.tags_in_use import tags_in_use
from app.services.systems import Clock, Systems
from app.services.work.backoff import backoff

_AT_ONCE = 20
_REFUSED_AGAIN = timedelta(minutes=5)
_LONGEST_WISH = timedelta(hours=1)
_log = structlog.get_logger("fluxbridge.registries")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a registry said when it was asked; `digest` is "" where it has a whole repository, or an error instead."""

    owed: OwedAnswer
    asked_at: datetime
    digest: str | None = None
    error: Exception | None = None

    @property
    def wish(self) -> timedelta | None:
        """How long its registry wants to be left alone: not at all where it answered; None where it did not say."""
        if self.error is None:
            return timedelta(0)
        return self.error.retry_after if isinstance(self.error, Unavailable) else None


@dataclass(frozen=True, slots=True)
class OwedAnswers:
    """Asks what is owed and writes the answers down; what cannot be asked is asked again later."""

    database: Database
    systems: Systems
    clock: Clock
    ready: ReadyPolicies

    def ask(self, owed: Iterable[OwedAnswer]) -> Mapping[str, timedelta]:
        """Ask each thing once, and what follows; returns how long each registry that was heard wants to be left alone.

        When the database is away, what was not written down stays owed.
        """
        left = list({(one.image, one.reference): one for one in owed}.values())
        wishes: dict[str, timedelta] = {}
        while left:
            some, left = left[:_AT_ONCE], left[_AT_ONCE:]
            answers = [self._ask(one) for one in some]
            for one in answers:
                if one.wish is not None:
                    host = one.owed.image.registry
                    wishes[host] = max(one.wish, wishes.get(host, one.wish))
            try:
                left += self._write(answers)
            except DatabaseUnavailable as error:
                _log.warning("what a registry answered could not be written down", why=str(error))
                return wishes
        return wishes

    def _ask(self, owed: OwedAnswer) -> _Answer:
        asked_at, registry = self.clock(), self.systems.registry_of(owed.image)
        if registry is None:
            return _Answer(owed, asked_at)
        try:
            return _Answer(owed, asked_at, _answered(registry, owed))
        except FluxbridgeError as error:
            _log.warning("a registry could not be asked", about=str(owed), why=str(error))
            return _Answer(owed, asked_at, error=error)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others are asked, and the log has it)
            _log.exception("a registry could not be asked", about=str(owed))
            return _Answer(owed, asked_at, error=error)

    def _write(self, answers: Sequence[_Answer]) -> Sequence[OwedAnswer]:
        """Write answers down together; returns what is owed now because of them."""
        now = self.clock()
        images = {one.owed.image for one in answers}
        with self.database.transaction() as connection:
            catalogue.lock(connection, images, now)
            notes = _Notes(connection, self, now)
            notes.take(answers)
            keep_all_selections(connection, self.ready, notes.changed)
            for registry in sorted(notes.deniers):
                watch_gone(connection, registry, now)
            keys = sorted(set(chain.from_iterable(lanes.lanes_of_images(connection, notes.told).values())))
            lanes.raise_wanted(connection, keys, now=now)
        return notes.follows


def _answered(registry: Registry, owed: OwedAnswer) -> str | None:
    """The digest of a tag or digest, or "" for a repository that has tags; None: it is not there."""
    if owed.reference:
        return registry.digest(owed.image.path, owed.reference)
    return "" if registry.tags(owed.image.path) else None


class _Notes:
    """Answers as they are written down within one transaction.

    `told` are the images of whose lanes a run is wanted, `follows` is what is owed because of them. `deniers` are the
    registries that have a tag no more of which a deletion was told. `changed` are the tags of each image that was
    answered for of which policies may think otherwise now.
    """

    def __init__(self, connection: Connection, asking: OwedAnswers, now: datetime) -> None:
        self._connection, self._asking, self._now = connection, asking, now
        self.told: set[ImageName] = set()
        self.follows: list[OwedAnswer] = []
        self.deniers: set[str] = set()
        self.changed: dict[ImageName, set[str]] = defaultdict(set)

    def take(self, answers: Sequence[_Answer]) -> None:
        """Write answers down, or that there was none: no two of them are about the same."""
        heard = [one for one in answers if self._is_heard(one)]
        settled = [(one.owed.image, one.owed.reference, one.asked_at) for one in heard]
        owed_answers.settle_all(self._connection, settled)
        self._note_digests(heard)
        for one in heard:
            if one.digest is None and is_tag(one.owed.reference):
                self._note_missing(one)
            elif one.digest is None:
                self._note_deletion(one)

    def _is_heard(self, answer: _Answer) -> bool:
        """Whether there was an answer; if not, that is written down."""
        if self._asking.systems.registry_of(answer.owed.image) is None:
            owed_answers.drop(self._connection, answer.owed)
            self.told.add(answer.owed.image)
            return False
        if answer.error is not None:
            self._put_off(answer, answer.error)
            return False
        return True

    def _put_off(self, answer: _Answer, error: Exception) -> None:
        """Ask again soon, and ever more slowly; who refuses is asked again every five minutes."""
        owed = answer.owed
        wait = _REFUSED_AGAIN if isinstance(error, Refused) else backoff(owed.tries)
        if answer.wish is not None:
            wait = max(wait, min(answer.wish, _LONGEST_WISH))
        told = str(error) if isinstance(error, FluxbridgeError) else f"{type(error).__name__}; see the log"
        owed_answers.put_off(self._connection, owed, due_at=self._now + wait, error=told)
        if owed.error is None:
            # Their plans say what they wait for; how often it was asked in vain is no news.
            self.told.add(owed.image)

    def _note_digests(self, heard: Sequence[_Answer]) -> None:
        named = [
            NamedDigest(image=one.owed.image, tag=one.owed.reference, digest=one.digest, asked_at=one.asked_at)
            for one in heard
            if one.digest is not None and is_tag(one.owed.reference)
        ]
        for image, tag in catalogue.set_digests(self._connection, named):
            self.changed[image].add(tag)
        self.told |= {one.image for one in named}

    def _note_missing(self, answer: _Answer) -> None:
        image, tag, is_deletion = answer.owed.image, answer.owed.reference, answer.owed.is_deletion
        catalogue.note_missing(self._connection, image, tag, is_deleted=is_deletion, asked_at=answer.asked_at)
        if is_deletion:
            self.deniers.add(image.registry)
        self.changed[image].add(tag)
        self.told.add(image)

    def _note_deletion(self, answer: _Answer) -> None:
        """A digest or a repository is gone: the manifests of the tags that it had are asked for one by one."""
        image, digest = answer.owed.image, answer.owed.reference
        if digest:
            asked_about = set(catalogue.tags_with(self._connection, image, [digest]))
            catalogue.doubt(self._connection, image, answer.asked_at)
        else:
            asked_about = set(tags_in_use(self._connection, image))
            catalogue.unlist(self._connection, image, answer.asked_at, keeping=asked_about)
            selections.forget(self._connection, image)
        listing_wishes.want_listing(self._connection, image, self._now)
        known = [one.tag for one in catalogue.tags_named(self._connection, image, asked_about) if not one.is_gone]
        follows = [_deletion_of(tag, answer.owed, self._now) for tag in known]
        if not digest and not follows:
            self.told.add(image)
        self.follows += owed_answers.owe(self._connection, follows)


def _deletion_of(tag: str, owed: OwedAnswer, now: datetime) -> NewlyOwed:
    """That a tag may be gone, for the digest or the repository is that somebody told of."""
    return NewlyOwed(
        image=owed.image, reference=tag, is_deletion=True, source=owed.source, delivery_id=owed.delivery_id, at=now
    )
