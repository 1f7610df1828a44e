"""Every error is a problem document that tells what to do and nothing of the inside."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.core.errors import Conflict, FluxbridgeError, Invalid, NotAuthentic, NotFound, Refused, Unavailable
from app.db.database import Database
from app.web.errors import STATUSES, status_of
from tests.web.site import Site, running_site


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(Invalid("x"), 400, id="invalid"),
        pytest.param(NotAuthentic("x"), 401, id="not authentic"),
        pytest.param(Refused("x"), 403, id="refused"),
        pytest.param(NotFound("x"), 404, id="not found"),
        pytest.param(Conflict("x"), 409, id="conflict"),
        pytest.param(Unavailable("x", retry_after=timedelta(seconds=1)), 503, id="unavailable"),
        pytest.param(FluxbridgeError("x"), 500, id="of no kind"),
        pytest.param(ValueError("x"), 500, id="unexpected"),
    ],
)
def test_each_kind_of_error_has_its_status(error: Exception, status: int) -> None:
    assert status_of(error) == status


def test_no_kind_of_error_is_left_out_of_the_table() -> None:
    assert set(STATUSES) == set(FluxbridgeError.__subclasses__()) & set(STATUSES)
    assert {Invalid, NotAuthentic, NotFound, Conflict, Refused, Unavailable} == set(STATUSES)


def test_an_error_is_a_problem_document(light_site: Site) -> None:
    answer = light_site.get("/builds/none?secret=1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:fluxbridge:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no build 'none'; the list of them has every id",
        "instance": "/api/v1/builds/none",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nowhere", 404, id="no such path"),
        pytest.param("GET", "/webhooks/github", 405, id="not with this method"),
        pytest.param("GET", "/docs", 404, id="no pages that load from elsewhere"),
        pytest.param("GET", "/openapi.json", 404, id="no description without a token"),
    ],
)
def test_what_the_router_refuses_is_a_problem_document_too(
    light_site: Site, method: str, path: str, status: int
) -> None:
    answer = light_site.client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json()["type"], answer.json()["status"]) == ("about:blank", status)


def test_what_nobody_foresaw_is_500_without_details(light_database: Database) -> None:
    def broken() -> datetime:
        raise ZeroDivisionError("the inside of the program")

    with running_site(light_database, change=lambda parts: replace(parts, clock=broken)) as site:
        answer = site.get("/status")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "inside" not in answer.text


def test_behind_a_proxy_paths_work_with_and_without_the_prefix(light_database: Database) -> None:
    with running_site(light_database, change=lambda parts: replace(parts, root_path="/bridge")) as site:
        assert site.client.get("/healthz").status_code == 200
        assert site.client.get("/bridge/healthz").status_code == 200
        assert site.client.get("/bridge/api/v1/status").headers["www-authenticate"].startswith("Bearer")
