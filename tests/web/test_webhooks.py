"""A webhook is kept before it is answered, once, and only from who can prove to be its source."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import structlog
from sqlalchemy import text

from app.core.errors import Refused, Unavailable
from app.db import deliveries
from app.db.database import Database
from app.db.deliveries import DeliveryContent, DeliveryRow
from app.db.inbox import Inbox
from app.senders.sender import IdTokens, Keys
from tests.senders.id_tokens import ACCOUNT, AUDIENCE, Published, minted, trusted
from tests.web.site import LIMIT, OPERATE, SECRET, Site, github_headers, running_site, with_keys
from tests.web.test_metrics import scrape

PING = b'{"zen": "Keep it logically awesome."}'


def kept_in(database: Database) -> list[DeliveryRow]:
    with database.transaction() as connection:
        listed = deliveries.page(connection, limit=100).items
        found = [deliveries.find(connection, row.id) for row in listed]
    return [row for row in found if row is not None]


def contents_in(database: Database) -> list[DeliveryContent]:
    rows = kept_in(database)
    with database.transaction() as connection:
        contents = [deliveries.content(connection, row.id) for row in rows]
    return [one for one in contents if one is not None]


def test_a_webhook_is_kept_as_it_came_and_the_workers_are_woken(site: Site) -> None:
    answer = site.send_github(PING)
    assert answer.status_code == 202
    [row] = kept_in(site.database)
    assert answer.json() == {"id": row.id}
    assert (row.source, row.kind, row.state) == ("github", "github", "waiting")
    [content] = contents_in(site.database)
    assert content.body == PING
    assert content.headers["x-github-event"] == "ping"
    assert "x-hub-signature-256" not in content.headers
    assert site.woken.is_set()


def test_the_same_webhook_ten_times_is_kept_once_under_one_id(site: Site) -> None:
    answers = [site.send_github(PING) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(kept_in(site.database)) == 1


def test_the_same_webhook_ten_times_at_once_is_kept_once(site: Site) -> None:
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(site.send_github(PING))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [answer.status_code for answer in answers] == [202] * 10
    assert len(kept_in(site.database)) == 1


def test_the_same_signed_body_under_other_ids_is_answered_with_the_first(site: Site) -> None:
    answers = [site.send_github(PING, delivery=f"guid-{number}") for number in range(5)]
    assert {answer.status_code for answer in answers} == {202}
    assert [row.id for row in kept_in(site.database)] == [answers[0].json()["id"]] == [answers[4].json()["id"]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"not json", id="no JSON"),
        pytest.param(b"", id="empty"),
        pytest.param(b'"\\ud800\\u0000"', id="lone surrogate and NUL"),
        pytest.param(b"\xff\xfe\x00", id="no UTF-8"),
        pytest.param(b"[" * 2000, id="deeply nested"),
    ],
)
def test_an_authentic_but_unusable_body_is_kept(site: Site, body: bytes) -> None:
    assert site.send_github(body).status_code == 202
    assert [content.body for content in contents_in(site.database)] == [body]


def test_a_source_that_is_not_configured_is_404(site: Site) -> None:
    answer = site.client.post("/webhooks/nowhere", content=PING)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:fluxbridge:problem:not-found")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no signature"),
        pytest.param({"X-Hub-Signature-256": ""}, id="empty signature"),
        pytest.param({"X-Hub-Signature-256": "sha256=" + "0" * 64}, id="wrong signature"),
    ],
)
def test_who_cannot_prove_it_gets_401_and_nothing_is_kept(site: Site, headers: dict[str, str]) -> None:
    answer = site.client.post("/webhooks/github", content=PING, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"][:7]) == (401, "Webhook")
    assert kept_in(site.database) == []


def test_a_header_sent_twice_proves_nothing(site: Site) -> None:
    headers = [("Authorization", "wrong"), ("Authorization", SECRET)]
    assert site.client.post("/webhooks/registry", content=b"{}", headers=headers).status_code == 401


def test_a_body_of_just_the_limit_is_kept(site: Site) -> None:
    assert site.send_github(b"x" * LIMIT).status_code == 202


def test_a_body_over_the_limit_is_413_by_its_declared_size_and_by_its_own(site: Site) -> None:
    body = b"x" * (LIMIT + 1)
    headers = github_headers(body, "72d3162e-cc78-11e3-81ab-4c9367dc0958")
    assert site.client.post("/webhooks/github", content=body, headers=headers).status_code == 413
    assert site.client.post("/webhooks/github", content=iter([body]), headers=headers).status_code == 413
    assert kept_in(site.database) == []


def test_no_more_than_the_limit_is_read_of_an_endless_body(site: Site) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 200 * LIMIT:
            sent += LIMIT
            yield b"x" * LIMIT

    answer = site.client.post("/webhooks/github", content=endless(), headers=github_headers(b"", "endless"))
    assert answer.status_code == 413


@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "chunked"])
def test_a_registry_is_told_202_for_an_oversized_body_and_a_marker_is_kept(site: Site, *, is_declared: bool) -> None:
    body = b"x" * (LIMIT + 1)
    answer = site.client.post(
        "/webhooks/registry", content=body if is_declared else iter([body]), headers={"Authorization": SECRET}
    )
    assert answer.status_code == 202
    [row] = kept_in(site.database)
    assert row.id == answer.json()["id"]
    [content] = contents_in(site.database)
    assert b"truncated" in content.body
    assert len(content.body) < 200


def test_an_oversized_body_of_who_is_not_the_registry_leaves_no_marker(site: Site) -> None:
    answer = site.client.post("/webhooks/registry", content=b"x" * (LIMIT + 1), headers={"Authorization": "wrong"})
    assert answer.status_code == 401
    assert kept_in(site.database) == []


def test_a_commit_that_fails_is_503_and_nothing_is_kept(site: Site) -> None:
    doom_commits(site.database)
    answer = site.send_github(PING)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "urn:fluxbridge:problem:unavailable"
    assert kept_in(site.database) == []
    assert not site.woken.is_set()


def test_a_replay_whose_commit_fails_is_no_2xx(site: Site) -> None:
    delivery = site.send_github(PING).json()["id"]
    doom_commits(site.database)
    assert site.post(f"/deliveries/{delivery}/replay", OPERATE).status_code >= 500


def test_a_server_that_stops_answers_503(database: Database) -> None:
    stopping = Inbox(database)
    with running_site(database, change=lambda parts: replace(parts, inbox=stopping)) as site:
        stopping.stop()
        assert site.send_github(PING).status_code == 503


def test_an_unreadable_secret_is_503_and_is_not_named_to_the_sender(database: Database) -> None:
    def unreadable() -> Keys:
        raise Refused("the file /run/secrets/hook should hold a secret, but is missing")

    with running_site(database, sources=with_keys("github", unreadable)) as site:
        answer = site.send_github(PING)
    assert answer.status_code == 503
    assert "/run/secrets" not in answer.text


def test_retry_after_says_what_the_error_says(database: Database) -> None:
    def later() -> Keys:
        raise Unavailable("later", retry_after=timedelta(seconds=41.2))

    with running_site(database, sources=with_keys("github", later)) as site:
        assert site.send_github(PING).headers["retry-after"] == "42"


def test_a_token_waits_for_the_keys_that_it_is_checked_with_and_is_never_taken_on_trust(database: Database) -> None:
    fetched: list[IdTokens] = []

    def keys() -> Keys:
        return Keys(
            id_tokens=fetched[-1]
            if fetched
            else IdTokens(audience=AUDIENCE, account=ACCOUNT, signing_keys=Published(None))
        )

    sources = {"gar": replace(with_keys("registry", keys)["registry"], name="gar", kind="google")}
    with running_site(database, sources=sources) as site:

        def answer(key: str) -> httpx.Response:
            token = minted(key, datetime.now(UTC))
            return site.client.post("/webhooks/gar", content=b"{}", headers={"Authorization": token})

        early = answer("google")
        assert (early.status_code, early.headers["retry-after"]) == (503, "5")
        assert kept_in(database) == []
        fetched.append(trusted("google"))
        assert [answer(key).status_code for key in ("google", "another")] == [202, 401]
    assert len(kept_in(database)) == 1


def test_a_rotated_key_works_from_the_next_request_on(database: Database) -> None:
    keys = [Keys(secrets=("the-old-one",))]
    with running_site(database, sources=with_keys("github", lambda: keys[-1])) as site:
        assert site.send_github(PING).status_code == 401
        keys.append(Keys(secrets=("the-old-one", SECRET)))
        assert site.send_github(PING).status_code == 202


def test_a_token_in_the_url_is_taken_and_never_logged(site: Site) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = site.client.post(f"/webhooks/legacy?token={SECRET}", content=b"{}")
        assert answer.status_code == 202
        answer = site.client.post(f"/webhooks/legacy%0a?token={SECRET}x", content=b"{}")
        assert answer.status_code == 404
        assert answer.json()["instance"] == "/webhooks/legacy%0a"
    assert next(line["path"] for line in lines if line["event"] == "request") == "/webhooks/legacy"
    assert SECRET not in repr(lines)


def doom_commits(database: Database) -> None:
    """Let every change of a delivery break a constraint that is looked at only when the transaction commits."""
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE somewhere (id INTEGER PRIMARY KEY)"))
        connection.execute(
            text("CREATE TABLE doomed (id INTEGER REFERENCES somewhere (id) DEFERRABLE INITIALLY DEFERRED)")
        )
        if database.is_sqlite:
            for change in ("INSERT", "UPDATE"):
                told = f"CREATE TRIGGER doom_{change} AFTER {change} ON deliveries"
                connection.execute(text(f"{told} BEGIN INSERT INTO doomed VALUES (7); END"))  # noqa: S608 (two words)
            return
        body = "BEGIN INSERT INTO doomed VALUES (7); RETURN NULL; END"
        connection.execute(text(f"CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql AS '{body}'"))
        told = "CREATE TRIGGER doom AFTER INSERT OR UPDATE ON deliveries"
        connection.execute(text(f"{told} FOR EACH ROW EXECUTE FUNCTION doom()"))


def test_a_refusal_is_logged_with_who_asked_and_why_and_counted_by_reason(site: Site) -> None:
    headers = github_headers(PING, "d1") | {"X-Hub-Signature-256": f"sha256={'0' * 64}"}
    with structlog.testing.capture_logs() as lines:
        assert site.client.post("/webhooks/github", content=PING, headers=headers).status_code == 401
        assert site.client.post("/webhooks/registry", content=b"{}").status_code == 401
    wrong, missing = [line for line in lines if line["event"] == "request"]
    assert (wrong["peer"], wrong["path"], wrong["status"]) == ("127.0.0.1", "/webhooks/github", 401)
    assert wrong["why"].startswith("X-Hub-Signature-256 matches no key of this source")
    assert missing["why"].startswith("authorization is missing or empty")
    assert SECRET not in str(lines)
    assert "0" * 64 not in str(lines)
    found = scrape(site)
    assert found["fluxbridge_webhooks_refused_total", ("WrongProof", "github")] == 1
    assert found["fluxbridge_webhooks_refused_total", ("ProofMissing", "registry")] == 1


def test_a_path_with_a_slash_too_many_leads_nowhere(site: Site) -> None:
    answer = site.client.post("/webhooks/github/?token=secret", content=b"{}", headers={"Host": "phish.test"})
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_of_a_long_header_only_the_beginning_is_kept(site: Site) -> None:
    sent = site.client.post(
        "/webhooks/registry", content=b'{"events": []}', headers={"Authorization": SECRET, "User-Agent": "U" * 5_000}
    )
    with site.database.transaction() as connection:
        content = deliveries.content(connection, sent.json()["id"])
    assert content is not None
    assert content.headers["user-agent"] == "U" * 500
