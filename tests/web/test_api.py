"""The API tells what is known, page by page, and replays deliveries for who may."""

import pytest
from sqlalchemy import text

from app.db import deliveries, delivery_claims
from app.db.deliveries import DeliveryState, NewDelivery
from app.db.pages import encode_cursor
from tests.db.facts import claim_next, record_listing
from tests.services.history import DIGEST, IMAGE, NOW, History, settle_with_plan, write_history
from tests.web.site import OPERATE, READ, Site


@pytest.fixture
def history(site: Site) -> History:
    with site.database.transaction() as connection:
        written = write_history(connection)
        settle_with_plan(connection)
    return written


def test_deliveries_are_listed_newest_first_and_page_by_page(site: Site) -> None:
    ids = [keep(site, number) for number in range(5)]
    found: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = site.get("/deliveries", **query).json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == ids[::-1]


def test_a_delivery_is_shown_with_times_in_utc(site: Site) -> None:
    delivery = keep(site, 1)
    shown = site.get(f"/deliveries/{delivery}").json()
    assert (shown["source"], shown["state"], shown["received_at"]) == ("ci", "waiting", "2026-11-21T08:00:01Z")


def test_deliveries_are_narrowed_by_source_and_state(site: Site) -> None:
    keep(site, 1)
    assert len(site.get("/deliveries", source="ci", state="waiting").json()["items"]) == 1
    assert site.get("/deliveries", source="ci", state="dead").json() == {"items": [], "next": None}


def test_a_replayed_delivery_waits_again_and_the_workers_are_woken(site: Site) -> None:
    delivery = keep(site, 1)
    with site.database.transaction() as connection:
        claim = claim_next(connection, owner="w", now=NOW.replace(hour=9), lease=NOW - NOW.replace(hour=7))
        assert claim is not None
        delivery_claims.finish(connection, claim, state=DeliveryState.DONE, outcome="no facts", now=NOW)
    assert site.get(f"/deliveries/{delivery}").json()["state"] == "done"
    assert site.post(f"/deliveries/{delivery}/replay").json()["state"] == "waiting"
    assert site.woken.wait(5)


def test_a_delivery_that_is_being_interpreted_is_not_replayed(site: Site) -> None:
    delivery = keep(site, 1)
    with site.database.transaction() as connection:
        claim_next(connection, owner="w", now=NOW.replace(hour=9), lease=NOW - NOW.replace(hour=7))
    assert site.post(f"/deliveries/{delivery}/replay").status_code == 409


def test_replaying_what_is_not_there_is_404(site: Site) -> None:
    assert site.post("/deliveries/0000/replay").status_code == 404


def test_replaying_needs_the_scope_operate(site: Site) -> None:
    delivery = keep(site, 1)
    answer = site.post(f"/deliveries/{delivery}/replay", READ)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:fluxbridge:problem:refused")


def test_a_build_is_shown_with_what_it_published(site: Site, history: History) -> None:
    [listed] = site.get("/builds", job="acme/shop/main", result="SUCCESS", image=str(IMAGE)).json()["items"]
    shown = site.get(f"/builds/{listed['id']}").json()
    assert (shown["id"], shown["number"], shown["parameters"]) == (history.build, 7, {"ENV": "ci"})
    named = {"kind": "image", "image": str(IMAGE), "tag": "1.1.0", "digest": DIGEST}
    assert shown["artifacts"] == [named | {"owed": "the registry has not shown it yet"}]
    assert site.get("/builds", result="FAILURE").json()["items"] == []


@pytest.mark.usefixtures("history")
def test_images_are_listed_with_their_tags(site: Site) -> None:
    with site.database.transaction() as connection:
        record_listing(connection, IMAGE, ["1.1.0", "1.2.0"], NOW)
    [image] = site.get("/images").json()["items"]
    assert (image["image"], image["listed_at"]) == (str(IMAGE), "2026-11-21T08:00:00Z")
    tags = site.get("/images/tags", image=str(IMAGE)).json()["items"]
    assert [(tag["tag"], tag["digest"]) for tag in tags] == [("1.1.0", DIGEST), ("1.2.0", None)]


def test_what_is_no_image_is_400(site: Site) -> None:
    assert site.get("/images/tags", image="No Such Image").status_code == 400


@pytest.mark.usefixtures("history")
def test_a_policy_is_found_by_its_name_and_root(site: Site) -> None:
    assert len(site.get("/policies", repo="fleet", status="selected").json()["items"]) == 2
    assert site.get("/policies/flux-system/web").status_code == 409
    shown = site.get("/policies/flux-system/web", repo="fleet", root="clusters/prod").json()
    assert (shown["selected_tag"], shown["spec"]["policy"]) == ("1.2.0", {"semver": {"range": "1.x"}})
    assert site.get("/policies/flux-system/api").status_code == 404


def test_a_stage_tells_which_build_is_there_and_who_let_it_in(site: Site, history: History) -> None:
    [shown] = site.get("/stages", stage="production").json()["items"]
    assert (shown["tag"], shown["merged_by"], shown["promotion"]) == ("1.1.0", "mia", history.merged)
    assert shown["build"]["number"] == 7
    assert shown["applied"][0]["cluster"] == "prod-eu"


def test_a_promotion_is_told_with_its_history(site: Site, history: History) -> None:
    listed = site.get("/promotions", policy="web", since="2026-11-21T09:05:00+01:00").json()["items"]
    assert [one["id"] for one in listed] == [history.waiting]
    shown = site.get(f"/promotions/{history.merged}").json()
    assert [event["what"] for event in shown["events"]] == ["waiting", "merged"]
    assert [one["state"] for one in shown["applications"]] == ["failed", "applied"]
    assert len(site.get("/applications", cluster="prod-eu").json()["items"]) == 2


@pytest.mark.usefixtures("history")
def test_a_lane_whose_branch_has_a_slash_shows_its_plan(site: Site) -> None:
    [lane] = site.get("/lanes").json()["items"]
    assert site.get("/lanes/fleet", branch="release/2026").json() == lane
    plan = site.get("/lanes/fleet/plan", branch="release/2026").json()
    assert plan["outcomes"][0]["standing"] == "waiting"
    assert site.get("/lanes/fleet/plan", branch="main").status_code == 404


@pytest.mark.usefixtures("history")
def test_the_status_is_told_in_numbers(site: Site) -> None:
    assert site.get("/status").json()["promotions"]["merged"] == 1


LISTS = ["/deliveries", "/builds", "/images", "/policies", "/stages", "/promotions", "/applications"]


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("bm90IG9uZQ", id="no JSON"),
        pytest.param("Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5XQ", id="a number too large"),
        pytest.param("WyJcdWQ4MDAiXQ", id="a lone surrogate"),
        pytest.param("WyJcdTAwMDAiXQ", id="NUL"),
        pytest.param("W1tbW1tb", id="cut off"),
        pytest.param("é", id="not ASCII"),
        pytest.param("=" * 400, id="padding"),
    ],
)
def test_a_cursor_that_nobody_gave_is_400(site: Site, after: str) -> None:
    for path in LISTS:
        answer = site.get(path, after=after)
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:fluxbridge:problem:invalid"), path


def test_a_parameter_of_the_wrong_form_is_422_and_named(site: Site) -> None:
    for path in LISTS:
        for query in ("limit=101", "limit=0", "limit=1e9", "after=%00", "unheard_of=1"):
            answer = site.get(f"{path}?{query}")
            assert answer.status_code == 422, (path, query)
            assert answer.json()["errors"][0]["where"] == f"query.{query.partition('=')[0]}"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/deliveries?source=%00", id="NUL in a query"),
        pytest.param("/deliveries?source=%ED%A0%80", id="lone surrogate in a query"),
        pytest.param("/images/tags?image=%ED%A0%80", id="lone surrogate in an image"),
        pytest.param("/deliveries/%00", id="NUL in an id"),
        pytest.param("/deliveries/%ED%A0%80", id="lone surrogate in an id"),
        pytest.param("/policies/%00/%00", id="NUL in a name"),
        pytest.param("/policies/%ED%A0%80/a", id="lone surrogate in a name"),
        pytest.param("/policies?status=%25%5C_", id="wildcards"),
        pytest.param("/lanes/fleet?branch=%00", id="NUL in a branch"),
        pytest.param("/promotions?since=0001-01-01T00:00:00%2B14:00", id="before all time"),
        pytest.param("/promotions?until=9999-12-31T23:59:59-14:00", id="after all time"),
        pytest.param("/promotions?since=1e30", id="no time"),
    ],
)
def test_odd_texts_are_answered_and_no_5xx(site: Site, path: str) -> None:
    assert site.get(path).status_code < 500


def keep(site: Site, number: int) -> str:
    new = NewDelivery(
        source="ci",
        kind="jenkins",
        external_id=str(number),
        headers={},
        body=b"{}",
        received_at=NOW.replace(second=number),
    )
    with site.database.transaction() as connection:
        return deliveries.keep(connection, new)


def test_the_database_is_looked_through_page_by_page(site: Site, history: History) -> None:
    assert through_the_database(site) == []
    with site.database.transaction() as connection:
        connection.execute(text("UPDATE promotions SET state = 'refused' WHERE state = 'waiting'"))
    [found] = through_the_database(site)
    assert found["row"] == f"promotion {history.waiting}"
    assert found["law"] == "promotion-is-as-its-last-event-says"
    assert found["what"]
    assert found["remedy"]


def test_looking_through_the_database_needs_the_scope_operate(site: Site) -> None:
    assert site.get("/integrity", READ).status_code == 403


@pytest.mark.parametrize(
    "after",
    [encode_cursor("nothing", "", 0, ""), encode_cursor("promotion", "x"), encode_cursor("history", "lane", "one", "")],
)
def test_a_place_in_the_database_that_the_api_never_gave_is_refused(site: Site, after: str) -> None:
    assert site.get("/integrity", OPERATE, after=after).status_code == 400


def through_the_database(site: Site) -> list[dict[str, str]]:
    page = site.get("/integrity", OPERATE).json()
    found = list(page["items"])
    while page["next"] is not None:
        page = site.get("/integrity", OPERATE, after=page["next"]).json()
        found += page["items"]
    return found
