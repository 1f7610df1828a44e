"""What is written for many at once is what would be written one after the other."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import pytest

from app.core.images import ImageName
from app.core.tag_presence import TagPresence
from app.db import catalogue, delivery_claims, owed_answers, pushes
from app.db.catalogue import NamedDigest
from app.db.database import Database
from app.db.deliveries import DeliveryState, keep_all
from app.db.delivery_claims import Ended
from app.db.owed_answers import NewlyOwed, OwedAnswer
from app.db.pushes import NewPush
from tests.db.facts import DIGEST, IMAGE, LEASE, NOW, OTHER_DIGEST, OTHER_IMAGE, SECOND, delivery
from tests.db.threads import at_once

IMAGES = [ImageName.parse(f"registry.acme.example/shop/part{number}") for number in range(6)]
TAG, OTHER_TAG = "1.2.0", "1.3.0"


def push(image: ImageName, number: int) -> NewPush:
    """One of four: two of one tag with different digests, one of another, and the first once more with none."""
    tag, digest = [(TAG, DIGEST), (TAG, OTHER_DIGEST), (OTHER_TAG, DIGEST), (TAG, None)][number]
    at = NOW + number * SECOND
    return NewPush(
        image=image, tag=tag, digest=digest, at=at, told_at=at, seen_at=at, source="registry", delivery_id=f"d{number}"
    )


def named(image: ImageName, number: int) -> NamedDigest:
    """One of four answers: three of one tag, the last asked for first, and one of another tag."""
    tag, digest, second = [(TAG, DIGEST, 5), (TAG, OTHER_DIGEST, 6), (OTHER_TAG, DIGEST, 5), (TAG, OTHER_DIGEST, 4)][
        number
    ]
    return NamedDigest(image=image, tag=tag, digest=digest, asked_at=NOW + second * SECOND)


def known(database: Database, image: ImageName) -> dict[str, tuple[object, TagPresence]]:
    with database.transaction() as connection:
        tags = catalogue.tags_after(connection, image, "", limit=10)
    return {one.tag: (one.first_seen_at, one.presence) for one in tags}


def told(database: Database, image: ImageName) -> list[tuple[str | None, str | None]]:
    with database.transaction() as connection:
        found = [pushes.pushes_of(connection, image, tag, limit=10) for tag in (TAG, OTHER_TAG)]
    return [(one.digest, one.delivery_id) for its in found for one in its]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_pushes_and_digests_of_many_are_as_those_of_one_after_the_other(
    database: Database, order: Sequence[int]
) -> None:
    together, apart = IMAGES[:2]
    with database.transaction() as connection:
        catalogue.lock(connection, [together, apart], NOW)
        pushes.record(connection, [push(together, number) for number in order])
        changed = catalogue.set_digests(connection, [named(together, number) for number in order])
        are_other = set()
        for number in order:
            pushes.record(connection, [push(apart, number)])
        for number in order:
            one = named(apart, number)
            if catalogue.set_digest(connection, apart, one.tag, one.digest, asked_at=one.asked_at):
                are_other.add(one.tag)
    assert known(database, together) == known(database, apart)
    assert told(database, together) == told(database, apart)
    assert {tag for _, tag in changed} == are_other
    assert known(database, together)[TAG][1].digest == OTHER_DIGEST, "it was asked for last"


def owed(tag: str, second: int, *, is_deletion: bool = False) -> NewlyOwed:
    return NewlyOwed(
        image=IMAGE,
        reference=tag,
        is_deletion=is_deletion,
        source="registry",
        delivery_id=f"d{second}",
        at=NOW + second * SECOND,
    )


def owe(database: Database, *new: NewlyOwed) -> Sequence[OwedAnswer]:
    with database.transaction() as connection:
        return owed_answers.owe(connection, new, grace=SECOND)


@pytest.mark.parametrize("is_together", [True, False])
def test_what_is_told_of_twice_is_owed_since_the_first_and_wanted_at_the_last(
    database: Database, *, is_together: bool
) -> None:
    new = [owed(TAG, 0, is_deletion=True), owed(OTHER_TAG, 1), owed(TAG, 2)]
    if is_together:
        owe(database, *new)
    else:
        for one in new:
            owe(database, one)
    with database.transaction() as connection:
        first, other = owed_answers.of_image(connection, IMAGE)
    assert (first.since, first.wanted_at, first.due_at) == (NOW, NOW + 2 * SECOND, NOW + 3 * SECOND)
    assert (first.is_deletion, first.delivery_id, first.tries) == (True, "d2", 0)
    assert (other.since, other.is_deletion, other.delivery_id) == (NOW + SECOND, False, "d1")


def test_each_thing_that_is_owed_is_told_once_by_name(database: Database) -> None:
    told_of = owe(database, owed(OTHER_TAG, 0), owed(TAG, 1), owed(OTHER_TAG, 2))
    assert [(one.reference, one.wanted_at) for one in told_of] == [(TAG, NOW + SECOND), (OTHER_TAG, NOW + 2 * SECOND)]
    assert owe(database) == ()


def test_a_failure_is_news_again_once_it_is_told_of_anew(database: Database) -> None:
    [before] = owe(database, owed(TAG, 0))
    with database.transaction() as connection:
        owed_answers.put_off(connection, before, due_at=NOW + timedelta(minutes=5), error="it answered 403")
    [after] = owe(database, owed(TAG, 1))
    assert (after.error, after.tries, after.since, after.due_at) == (None, 1, NOW, NOW + 2 * SECOND)


def test_an_answer_settles_no_more_than_was_wanted_before_it_was_asked_for(database: Database) -> None:
    owe(database, owed(TAG, 0), owed(OTHER_TAG, 2))
    with database.transaction() as connection:
        owed_answers.settle_all(connection, [(IMAGE, tag, NOW + SECOND) for tag in (TAG, OTHER_TAG)])
        assert [one.reference for one in owed_answers.of_image(connection, IMAGE)] == [OTHER_TAG]


def test_who_holds_many_images_waits_for_nobody_who_waits_for_them(database: Database) -> None:
    """Known or new, in whichever order they are named; each hold is a new version."""
    with database.transaction() as connection:
        catalogue.lock(connection, IMAGES[::2], NOW)

    def hold(images: Sequence[ImageName]) -> None:
        with database.transaction() as connection:
            catalogue.lock(connection, images, NOW)

    held = [IMAGES, IMAGES[::-1], IMAGES[1:4], IMAGES[::2], IMAGES[3:], IMAGES[1:2]]
    at_once(*[lambda images=images: hold(images) for images in held])
    with database.transaction() as connection:
        versions = [catalogue.version_of(connection, image) for image in IMAGES]
        assert catalogue.version_of(connection, OTHER_IMAGE) == 0
    assert versions == [sum(image in images for images in (IMAGES[::2], *held)) for image in IMAGES]


def test_of_many_deliveries_one_that_was_lost_shows(database: Database) -> None:
    with database.transaction() as connection:
        keep_all(connection, [delivery(str(number)) for number in range(3)])
        claims = delivery_claims.claim_some(connection, owner="a", now=NOW, lease=LEASE, most=3)
        ended = [Ended(one, DeliveryState.DONE, "no facts", NOW) for one in claims]
        delivery_claims.release(connection, claims[1])
        assert not delivery_claims.finish_all(connection, ended)
        assert delivery_claims.finish_all(connection, [])
