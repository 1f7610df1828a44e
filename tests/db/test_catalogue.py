"""The catalogue knows every tag that was pushed or listed, what it names now, and which are gone."""

from datetime import datetime

from app.db import catalogue, listing_wishes, pushes
from app.db.database import Database
from tests.db.facts import DIGEST, IMAGE, MINUTE, NOW, OTHER_DIGEST, OTHER_IMAGE, record_listing, record_push
from tests.db.threads import at_once


def test_a_push_is_one_whatever_is_repeated(database: Database) -> None:
    _push(database)
    _push(database)
    _push(database, digest=OTHER_DIGEST)
    assert _pushed(database) == [OTHER_DIGEST, DIGEST]
    assert list(_tags(database)) == ["1.2.0"]


def test_the_same_push_from_many_workers_at_once_is_one(database: Database) -> None:
    at_once(*[lambda: _push(database)] * 6)
    assert _pushed(database) == [DIGEST]
    assert list(_tags(database)) == ["1.2.0"]


def test_the_first_push_dates_the_tag_until_it_is_moved(database: Database) -> None:
    _push(database)
    _look(database, DIGEST, at=NOW + MINUTE)
    assert _tags(database)["1.2.0"].first_seen_at == NOW
    _look(database, OTHER_DIGEST, at=NOW + 2 * MINUTE)
    known = _tags(database)["1.2.0"]
    assert (known.first_seen_at, known.digest) == (NOW + 2 * MINUTE, OTHER_DIGEST)


def test_a_digest_in_an_event_is_history_once_the_registry_was_asked(database: Database) -> None:
    _push(database)
    _look(database, OTHER_DIGEST)
    _push(database, digest=f"sha256:{'c' * 64}")
    assert _tags(database)["1.2.0"].digest == OTHER_DIGEST


def test_an_answer_to_an_earlier_question_changes_nothing(database: Database) -> None:
    _push(database)
    _look(database, OTHER_DIGEST, at=NOW + MINUTE)
    _look(database, DIGEST, at=NOW)
    assert _tags(database)["1.2.0"].digest == OTHER_DIGEST


def test_a_deleted_tag_is_gone_until_the_registry_shows_it_again(database: Database) -> None:
    _push(database)
    _look(database, DIGEST)
    _miss(database, is_deleted=True)
    assert _tags(database)["1.2.0"].is_gone
    _push(database, digest=OTHER_DIGEST)
    assert _tags(database)["1.2.0"].is_gone, "a sender is a hint"
    _look(database, OTHER_DIGEST)
    assert not _tags(database)["1.2.0"].is_gone


def test_one_look_without_a_tag_that_was_there_is_no_deletion(database: Database) -> None:
    _push(database)
    _look(database, DIGEST)
    _miss(database, is_deleted=False)
    assert not _tags(database)["1.2.0"].is_gone


def test_a_tag_that_only_a_sender_told_of_was_never_there(database: Database) -> None:
    _push(database)
    _miss(database, is_deleted=False)
    assert _tags(database)["1.2.0"].is_gone


def test_a_deleted_digest_may_have_been_that_of_a_tag_whose_digest_is_not_known(database: Database) -> None:
    _push(database)
    _list(database, ["1.2.0", "1.3.0"])
    with database.transaction() as connection:
        catalogue.doubt(connection, IMAGE, NOW)
    assert {tag: known.is_gone for tag, known in _tags(database).items()} == {"1.2.0": False, "1.3.0": False}
    _list(database, [])
    assert not _tags(database)["1.2.0"].is_gone, "its own manifest is asked for"
    assert _tags(database)["1.3.0"].is_gone, "its digest was not known, so the next list decides"


def test_a_tag_missing_from_two_lists_is_gone_and_comes_back(database: Database) -> None:
    _push(database)
    states: list[bool] = []
    for listed in ([], [], ["1.2.0"]):
        _list(database, listed)
        states.append(_tags(database)["1.2.0"].is_gone)
    assert states == [False, True, False]


def test_a_list_tells_which_tags_it_is_news_of(database: Database) -> None:
    _push(database)
    _look(database, DIGEST)
    assert _list(database, ["1.2.0", "1.3.0", "latest"]) == ["1.3.0", "latest"]
    assert _list(database, ["1.2.0", "1.3.0", "latest"]) == []
    assert _list(database, ["1.3.0", "latest"]) == ["1.2.0"]
    assert _list(database, ["1.2.0", "1.3.0"]) == ["1.2.0", "latest"]


def test_a_list_confirms_what_only_a_sender_told_of(database: Database) -> None:
    _push(database)
    assert _list(database, ["1.2.0"]) == ["1.2.0"]


def test_a_long_list_is_taken_in(database: Database) -> None:
    listed = [f"1.0.{number}" for number in range(5000)]
    assert len(_list(database, listed)) == 5000
    assert _list(database, listed) == []
    assert len(_tags(database)) == 5000


def test_a_repository_counts_as_listed_after_its_first_list(database: Database) -> None:
    _push(database)
    with database.transaction() as connection:
        assert not catalogue.is_listed(connection, IMAGE)
        record_listing(connection, IMAGE, [], NOW)
        assert catalogue.is_listed(connection, IMAGE)
        assert not catalogue.is_listed(connection, OTHER_IMAGE)


def test_a_wish_to_list_stands_until_it_is_listed(database: Database) -> None:
    with database.transaction() as connection:
        listing_wishes.want_listing(connection, OTHER_IMAGE, NOW)
        listing_wishes.want_listing(connection, IMAGE, NOW + MINUTE)
        assert list(listing_wishes.wanted_listings(connection, limit=9)) == [OTHER_IMAGE, IMAGE]
        record_listing(connection, OTHER_IMAGE, ["1.0.0"], NOW)
        assert list(listing_wishes.wanted_listings(connection, limit=9)) == [IMAGE]


def test_a_wish_that_comes_while_the_list_is_fetched_is_not_lost(database: Database) -> None:
    with database.transaction() as connection:
        listing_wishes.want_listing(connection, IMAGE, NOW)
        listing_wishes.want_listing(connection, IMAGE, NOW + 2 * MINUTE)
        record_listing(connection, IMAGE, ["1.0.0"], NOW + 3 * MINUTE, asked_at=NOW + MINUTE)
        assert list(listing_wishes.wanted_listings(connection, limit=9)) == [IMAGE]


def test_lists_and_pushes_at_once_agree(database: Database) -> None:
    def push() -> None:
        _push(database)

    def take_list() -> None:
        _list(database, ["1.2.0", "1.3.0"])

    at_once(push, take_list, push, take_list)
    assert set(_tags(database)) == {"1.2.0", "1.3.0"}


def test_pages_tell_every_repository_and_tag_once(database: Database) -> None:
    _list(database, ["1", "2", "3"])
    with database.transaction() as connection:
        listing_wishes.want_listing(connection, OTHER_IMAGE, NOW)
        images = catalogue.page_of_repositories(connection, limit=1)
        more = catalogue.page_of_repositories(connection, limit=1, after=images.next)
        tags = catalogue.page_of_tags(connection, str(IMAGE), limit=2)
        rest = catalogue.page_of_tags(connection, str(IMAGE), limit=2, after=tags.next)
    assert {row.image for row in [*images.items, *more.items]} == {str(IMAGE), str(OTHER_IMAGE)}
    assert more.next is None
    assert [row.tag for row in [*tags.items, *rest.items]] == ["1", "2", "3"]


def _push(database: Database, *, digest: str | None = DIGEST) -> None:
    with database.transaction() as connection:
        record_push(connection, IMAGE, "1.2.0", digest, at=NOW, now=NOW, source="registry", delivery_id="d1")


def _pushed(database: Database) -> list[str | None]:
    with database.transaction() as connection:
        return [one.digest for one in pushes.pushes_of(connection, IMAGE, "1.2.0", limit=10)]


def _look(database: Database, digest: str, *, at: datetime = NOW) -> None:
    with database.transaction() as connection:
        catalogue.set_digest(connection, IMAGE, "1.2.0", digest, asked_at=at)


def _miss(database: Database, *, is_deleted: bool) -> None:
    with database.transaction() as connection:
        catalogue.note_missing(connection, IMAGE, "1.2.0", is_deleted=is_deleted, asked_at=NOW)


def _list(database: Database, listed: list[str]) -> list[str]:
    with database.transaction() as connection:
        return list(record_listing(connection, IMAGE, listed, NOW))


def _tags(database: Database) -> dict[str, catalogue.KnownTag]:
    with database.transaction() as connection:
        return {known.tag: known for known in catalogue.tags_after(connection, IMAGE, "", limit=10_000)}
