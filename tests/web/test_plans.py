"""However long the history gets, the API, the metrics and the probe find what they show by an index.

Every endpoint is asked with every filter that it has; what the database does for it is captured as it runs.
"""

from datetime import timedelta
from typing import Any

import pytest

from app.core.promotion.requests import Request, RequestKind, Target
from app.db import requests
from tests.plans import watching
from tests.services.history import IMAGE, LANE, NOW, POLICY, settle_with_plan, write_history
from tests.web.site import OPERATE, Site

pytestmark = pytest.mark.new_database

VALUES = {
    "active": "true",
    "branch": "release/2026",
    "build_id": "0",
    "cluster": "prod-eu",
    "delivery_id": "0",
    "image": str(IMAGE),
    "job": "acme/shop/main",
    "limit": "1",
    "name": "web",
    "namespace": "flux-system",
    "open": "true",
    "policy": "web",
    "promotion_id": "0",
    "push": f"{IMAGE}:1.1.0",
    "repo": "fleet",
    "result": "SUCCESS",
    "root": "clusters/prod",
    "since": "2026-01-01T00:00:00Z",
    "source": "ci",
    "stage": "production",
    "state": "waiting",
    "status": "waiting",
    "tag": f"{IMAGE}:1.1.0",
    "until": "2027-01-01T00:00:00Z",
}
ASKED = Request(
    id="01a22e60",
    kind=RequestKind.ROLLBACK,
    stage="production",
    targets=(Target(policy=POLICY, image=str(IMAGE), tag="1.0.0"),),
    who="ops",
    why="incident 4711",
    since=NOW,
    until=NOW + timedelta(days=7),
)
# It is there to go through the whole database, a stretch at a time.
LEFT_OUT = "/api/v1/integrity"


def test_no_question_goes_through_a_table_that_grows(site: Site) -> None:
    with site.database.transaction() as connection:
        history = write_history(connection)
        settle_with_plan(connection)
        requests.add(connection, LANE, ASKED)
    kept = site.send_github(b"{}").json()["id"]
    ids = {"build_id": history.build, "promotion_id": history.merged, "delivery_id": kept, "request_id": ASKED.id}
    described = site.get("/openapi.json").json()
    states = states_of(described)
    with watching(site.database) as statements:
        for path, operations in described["paths"].items():
            if "get" in operations and path != LEFT_OUT:
                ask(site, path, operations["get"].get("parameters", []), ids | states.get(path, {}))
        site.client.get("/metrics").raise_for_status()
        site.client.get("/readyz").raise_for_status()
    assert len(statements.seen) > 40
    assert statements.passes() == {}


def states_of(described: dict[str, Any]) -> dict[str, dict[str, str]]:
    """A state that each list of states knows."""
    return {path: {"state": "dead"} for path in described["paths"] if path.endswith("/deliveries")}


def ask(site: Site, path: str, parameters: list[dict[str, Any]], known: dict[str, str]) -> None:
    """Ask with what must be said, then with each filter by itself, then for the page after the first."""
    values = VALUES | known
    needed = {one["name"]: values[one["name"]] for one in parameters if one["required"]}
    for one in parameters:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", needed.pop(one["name"]))
    path = path.removeprefix("/api/v1")
    optional = [one["name"] for one in parameters if not one["required"] and one["name"] != "after"]
    questions = [needed, *({**needed, name: values[name]} for name in optional)]
    for question in questions:
        answer = site.get(path, OPERATE, **question)
        assert answer.status_code in {200, 409}, (path, question, answer.text)
        after = answer.json().get("next")
        if after is not None:
            assert site.get(path, OPERATE, **question, after=after).status_code == 200
