"""The API explains policies, and answers odd questions with a problem."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.db import policies
from app.db.database import Database
from app.services.systems import Systems
from tests.db.facts import record_listing
from tests.services.history import IMAGE, NOW, settle_with_plan, write_history
from tests.services.lanes import ListedRegistry
from tests.web.site import Site, running_site

SPEC = '{"choice":{"range":"1.x"},"exclusion_list":[],"filter":null,"kind":"SemVer"}'
PATH = "/policies/flux-system/web/explain"
PRODUCTION = "clusters/prod"


@pytest.fixture
def explaining(database: Database) -> Iterator[Site]:
    """The shop's policies with the spec that a lane run would have written down, and a listed repository."""
    with database.transaction() as connection:
        write_history(connection)
        settle_with_plan(connection)
        rows = [replace(row, spec=SPEC) for row in policies.find(connection, "flux-system", "web")]
        policies.replace_all(connection, rows[0].lane, rows)
        record_listing(connection, IMAGE, ["1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0"], NOW)
    systems = Systems(registries={IMAGE.registry: ListedRegistry()})
    with running_site(database, change=lambda parts: replace(parts, systems=systems)) as site:
        yield site


def test_a_policy_is_explained_tag_by_tag_and_stage_by_stage(explaining: Site) -> None:
    told = explaining.get(PATH, repo="fleet", root=PRODUCTION).json()
    assert (told["repo"], told["branch"], told["root"]) == ("fleet", "release/2026", PRODUCTION)
    assert told["tags"]["counts"] == {"chosen": 1, "lost": 1, "prerelease": 1, "outside_range": 1}
    assert [(one["tag"], one["verdict"]) for one in told["tags"]["above"]] == [
        ("2.0.0", "outside_range"),
        ("1.2.0-rc.1", "prerelease"),
    ]
    assert told["tags"]["chosen"]["tag"] == "1.1.0"
    assert [one["summary"] for one in told["stages"]] == ["waiting 1.2.0: no build"]


def test_a_push_is_tried_out_by_a_parameter(explaining: Site) -> None:
    told = explaining.get(PATH, root=PRODUCTION, push=f"{IMAGE}:1.3.0").json()
    assert (told["tags"]["tag"], told["tags"]["asked"]["verdict"]) == ("1.3.0", "chosen")
    assert explaining.get(PATH, root=PRODUCTION).json()["tags"]["tag"] == "1.1.0"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param({}, 409, id="an ambiguous name"),
        pytest.param({"root": "nowhere"}, 404, id="no such root"),
        pytest.param({"root": PRODUCTION, "repo": "other"}, 404, id="no such repo"),
        pytest.param({"root": PRODUCTION, "push": "No Image:1"}, 400, id="a push of no image"),
        pytest.param({"root": PRODUCTION, "push": "nginx:1"}, 400, id="a push of another image"),
        pytest.param({"root": PRODUCTION, "push": str(IMAGE)}, 400, id="a push without a tag"),
        pytest.param({"root": PRODUCTION, "push": "\x00"}, 422, id="a control character"),
    ],
)
def test_a_question_that_cannot_be_answered_is_a_problem(explaining: Site, query: dict[str, str], status: int) -> None:
    answer = explaining.get(PATH, **query)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_policy_that_is_not_there_cannot_be_explained(explaining: Site) -> None:
    assert explaining.get("/policies/flux-system/api/explain").status_code == 404
