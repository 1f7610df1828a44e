"""Every endpoint of the API needs a token, and changing something needs one with the scope operate."""

import re

import pytest

from app.core.errors import Refused
from app.db.database import Database
from app.web.application import create_web
from app.web.parts import ApiToken
from tests.web.routes import routes_of
from tests.web.site import OPERATE, READ, TOKENS, Site, bearer, parts_for, running_site

OPEN = {"/healthz", "/readyz", "/metrics", "/proof", "/webhooks/{source}"}


def test_every_endpoint_but_the_open_ones_needs_a_token(light_site: Site) -> None:
    table = routes_of(create_web(parts_for(light_site.database)))
    assert {path for _, path in table if not path.startswith("/api/v1/")} == OPEN
    asked = [(method, re.sub(r"\{\w+\}", "x", path)) for method, path in table if path not in OPEN]
    assert len(asked) > 15
    for method, path in asked:
        answer = light_site.client.request(method, path)
        assert (answer.status_code, answer.headers["www-authenticate"][:6]) == (401, "Bearer"), path


def test_every_endpoint_that_changes_something_refuses_a_token_that_may_only_read(light_site: Site) -> None:
    table = routes_of(create_web(parts_for(light_site.database)))
    changing = [(method, path) for method, path in table if method not in {"GET", "HEAD"} and "/api/" in path]
    assert changing
    for method, path in changing:
        path_ = re.sub(r"\{\w+\}", "x", path)
        assert light_site.client.request(method, path_, headers=bearer(READ)).status_code == 403, path


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": "Bearer wrong"}, id="unknown"),
        pytest.param({"Authorization": "Bearer"}, id="empty"),
        pytest.param({"Authorization": f"Basic {READ}"}, id="another scheme"),
        pytest.param({"Authorization": f"Bearer {READ}x"}, id="longer"),
        pytest.param({"Authorization": f"Bearer {READ[:-1]}"}, id="shorter"),
        pytest.param({"Authorization": "Bearer \xe9"}, id="not ASCII"),
    ],
)
def test_what_is_no_token_is_401(light_site: Site, headers: dict[str, str]) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    assert light_site.client.get("/api/v1/status", headers=raw).status_code == 401


def test_a_token_that_operates_may_read_as_well(light_site: Site) -> None:
    assert light_site.get("/status", OPERATE).status_code == 200


def test_a_blank_secret_is_no_token(light_database: Database) -> None:
    with running_site(light_database, tokens=lambda: [ApiToken("ops", "operate", "")]) as site:
        assert site.client.get("/api/v1/status", headers={"Authorization": "Bearer"}).status_code == 401


def test_tokens_are_read_at_each_use(light_database: Database) -> None:
    tokens = [*TOKENS]
    with running_site(light_database, tokens=lambda: tokens) as site:
        assert site.get("/status", "a-new-one").status_code == 401
        tokens.append(ApiToken("reader", "read", "a-new-one"))
        assert site.get("/status", "a-new-one").status_code == 200


def test_a_secret_that_cannot_be_read_is_503_and_not_named(light_database: Database) -> None:
    def unreadable() -> list[ApiToken]:
        raise Refused("the file /run/secrets/api should hold a secret, but is missing")

    with running_site(light_database, tokens=unreadable) as site:
        answer = site.get("/status")
    assert answer.status_code == 503
    assert "/run/secrets" not in answer.text
