"""Promotions answer: how did a policy move to a tag, from build to cluster?"""

import pytest

from app.core.errors import NotFound
from app.db.database import Database
from app.services.reading.promotions import PromotionFilters, list_promotions, promotion
from app.services.systems import Systems
from tests.services.history import MINUTE, NOW, write_history

SYSTEMS = Systems()
LATER = NOW + 10 * MINUTE


@pytest.mark.parametrize(
    ("filters", "tags"),
    [
        pytest.param(PromotionFilters(), ["1.2.0", "1.1.0"], id="newest first"),
        pytest.param(PromotionFilters.model_validate({"state": "merged"}), ["1.1.0"], id="state"),
        pytest.param(PromotionFilters(since=NOW + 5 * MINUTE), ["1.2.0"], id="since"),
        pytest.param(PromotionFilters(until=NOW + 5 * MINUTE), ["1.1.0"], id="until"),
        pytest.param(PromotionFilters(policy="web", stage="production"), ["1.2.0", "1.1.0"], id="policy and stage"),
        pytest.param(PromotionFilters(stage="staging"), [], id="another stage"),
        pytest.param(PromotionFilters(policy="%"), [], id="a wildcard is no wildcard"),
    ],
)
def test_promotions_are_narrowed(database: Database, filters: PromotionFilters, tags: list[str]) -> None:
    with database.transaction() as connection:
        write_history(connection)
        assert [one.tag for one in list_promotions(connection, SYSTEMS, filters, now=LATER).items] == tags


def test_one_promotion_is_told_from_build_to_cluster(database: Database) -> None:
    with database.transaction() as connection:
        written = write_history(connection)
        told = promotion(connection, SYSTEMS, written.merged, now=LATER)
    assert (told.from_tag, told.tag, told.state, told.merged_by) == ("1.0.0", "1.1.0", "merged", "mia")
    assert told.build is not None
    assert told.build.number == 7
    assert [(event.what, event.who) for event in told.events] == [("waiting", "fluxbridge"), ("merged", "mia")]
    assert [one.state for one in told.applications] == ["failed", "applied"]


def test_a_promotion_that_is_not_there_is_not_found(database: Database) -> None:
    with database.transaction() as connection, pytest.raises(NotFound):
        promotion(connection, SYSTEMS, "nothing", now=LATER)
