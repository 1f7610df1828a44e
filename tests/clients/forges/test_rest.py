"""The client that drivers share: whatever answers, it ends in time and size, says who must act, and tells no token."""

import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from pydantic import TypeAdapter

from app.clients.bounded_http import LARGEST_ANSWER
from app.clients.forges.errors import ForgeRateLimited, ForgeRefused, ForgeUnavailable, Hosted, TokenNotAccepted
from app.clients.forges.limits import LimitHeaders, Limits
from app.clients.forges.rest import Redirected, Rejected, RestClient, segment
from tests.servers.dripping import HEAD, DrippingServer
from tests.servers.impostor import impostor

AT = Hosted("Forge", "acme/fleet")
TOKEN = "tok_never-to-be-seen"
NUMBERS = TypeAdapter(list[int])
COUNTED = LimitHeaders("x-limit", "x-left", "x-reset")


def connect(
    url: str,
    *,
    token: str = TOKEN,
    timeout_s: float = 5,
    proxy: str | None = None,
    spend: Callable[[int], None] = lambda _: None,
) -> RestClient:
    return RestClient(
        AT,
        url,
        authorization=lambda: f"Bearer {token}" if token else "",
        limits=Limits(AT, spend=spend, headers=COUNTED),
        timeout_s=timeout_s,
        proxy=proxy,
    )


def raw(status: int, body: bytes, headers: Mapping[str, str] | None = None, *, length: int | None = None) -> bytes:
    """An answer as it goes over the wire, the last there; `length` is what it says of its body, if not the truth."""
    told = {"Content-Length": str(len(body) if length is None else length), "Connection": "close", **(headers or {})}
    lines = [f"HTTP/1.1 {status} Words", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answered(answer: bytes, method: str = "GET") -> object:
    """What comes of one request that is answered so."""
    with impostor(lambda _: answer) as server:
        return connect(server.url).ask(method, "/x").data


def asked_pages(heard: list[bytes]) -> list[str]:
    return re.findall(r"[?&]page=(\d+)", b"".join(heard).decode())


def test_an_answer_is_its_status_its_headers_and_its_json() -> None:
    with impostor(lambda _: raw(201, b'{"a": [1]}', {"X-Odd": "yes"})) as server:
        answer = connect(server.url + "/api/").ask("POST", f"/x/{segment('a/b')}", query={"q": "1 2"}, body={"b": "é"})
    assert (answer.status, answer.data, answer.headers["x-odd"]) == (201, {"a": [1]}, "yes")
    head, _, body = b"".join(server.heard).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/x/a%2Fb?q=1+2 HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}".encode() in head
    assert json.loads(body) == {"b": "é"}


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_answer_without_a_body_holds_nothing(body: bytes) -> None:
    assert answered(raw(200, body)) is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_not_followed_and_shows_where_it_leads_without_what_may_be_secret(status: int) -> None:
    elsewhere = "https://user:pw@evil.example/api/v1/repos/acme/other?token=hidden#x"
    with impostor(lambda _: raw(status, b"", {"Location": elsewhere})) as server:
        with pytest.raises(Redirected, match=r"redirects to 'https://evil\.example/api/v1/repos/acme/other'") as raised:
            connect(server.url).ask("POST", "/x", body={})
        assert b"".join(server.heard).count(b"HTTP/1.1\r\n") == 1
    assert raised.value.path == "/api/v1/repos/acme/other"
    assert not re.search("pw|hidden", str(raised.value))


@pytest.mark.parametrize("location", ["", "//x" * 200])
def test_a_redirect_to_nowhere_is_one(location: str) -> None:
    with pytest.raises(Redirected) as raised:
        answered(raw(302, b"", {"Location": location}))
    assert len(str(raised.value)) < 400


def test_a_redirect_to_what_is_no_address_is_no_answer() -> None:
    with pytest.raises(ForgeUnavailable, match="no answer of its API"):
        answered(raw(302, b"", {"Location": "http://["}))


def test_a_token_that_is_not_known_is_told_where_it_stands() -> None:
    with pytest.raises(TokenNotAccepted, match=r"acme/fleet on Forge was not accepted.*forge\.token"):
        answered(raw(401, b'{"message": "Bad credentials"}'))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Retry-After": "7"}, 7, id="seconds"),
        pytest.param({}, 60, id="nothing told"),
        pytest.param(
            {"Retry-After": "Mon, 04 May 2026 12:01:30 GMT", "Date": "Mon, 04 May 2026 12:00:00 GMT"}, 90, id="a date"
        ),
        pytest.param({"Retry-After": "Mon, 04 May 2026 12:01:30 GMT"}, 60, id="a date without a clock"),
        pytest.param(
            {"Retry-After": "Mon, 04 May 2026 11:00:00 GMT", "Date": "Mon, 04 May 2026 12:00:00 GMT"}, 1, id="past"
        ),
        pytest.param({"Retry-After": "soon", "Date": "Mon, 04 May 2026 12:00:00 GMT"}, 60, id="neither"),
        pytest.param({"Retry-After": "9" * 40}, 3600, id="absurd"),
    ],
)
def test_a_rate_limit_says_when_to_come_back(headers: Mapping[str, str], seconds: int) -> None:
    with pytest.raises(ForgeRateLimited, match="rate limit") as raised:
        answered(raw(429, b"", headers))
    assert raised.value.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, None), ({"Retry-After": "9"}, 9)], ids=["nothing told", "a pause"]
)
@pytest.mark.parametrize("status", [500, 502, 503, 599])
def test_a_broken_server_is_to_be_tried_later(status: int, headers: Mapping[str, str], seconds: int | None) -> None:
    with pytest.raises(ForgeUnavailable, match=f"answered {status}") as raised:
        answered(raw(status, b"<html>", headers))
    assert raised.value.retry_after == (seconds and timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("body", "words", "data"),
    [
        pytest.param(b'{"message": "No such thing"}', "404, 'No such thing'", {"message": "No such thing"}, id="JSON"),
        pytest.param(b"<html>", "404, without a reason", None, id="HTML"),
        pytest.param(b"", "404, without a reason", None, id="nothing"),
        pytest.param(b"[" * 100_000, "404, without a reason", None, id="deep"),
    ],
)
def test_a_no_is_quoted_and_kept_for_who_asked(body: bytes, words: str, data: object) -> None:
    with pytest.raises(Rejected, match=re.escape(words)) as raised:
        answered(raw(404, body))
    assert (raised.value.status, raised.value.data) == (404, data)
    assert raised.value.says("NO SUCH") == (data is not None)


def test_long_words_of_a_forge_are_cut() -> None:
    with pytest.raises(Rejected) as raised:
        answered(raw(422, json.dumps({"message": "x" * 100_000}).encode()))
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(raw(200, b"<html>Sign in", {"Content-Type": "text/html"}), id="a login page"),
        pytest.param(raw(200, b'{"number":'), id="cut JSON"),
        pytest.param(raw(200, b"\xff\xfe"), id="binary"),
        pytest.param(raw(200, b"[" * 100_000), id="deep"),
    ],
)
def test_what_is_no_json_is_no_answer_of_the_api(answer: bytes) -> None:
    with pytest.raises(ForgeUnavailable, match=r"no answer of its API.*check forge\.api_url"):
        answered(answer)


def test_json_of_another_shape_is_no_answer_of_the_api() -> None:
    with impostor(lambda _: raw(200, b'["one"]')) as server, pytest.raises(ForgeUnavailable, match="ValidationError"):
        connect(server.url).get("/x").read_as(NUMBERS)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200", id="half a status line"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
    ],
)
def test_a_connection_that_ends_early_is_unavailable(answer: bytes) -> None:
    with (
        impostor(lambda _: answer) as server,
        pytest.raises(ForgeUnavailable, match=r"cannot be reached|did not answer"),
    ):
        connect(server.url, timeout_s=0.5).get("/x")


def test_an_answer_that_is_shorter_than_it_says_is_no_answer() -> None:
    with impostor(lambda _: raw(200, b'{"a": 1}', length=100)) as server, pytest.raises(ForgeUnavailable):
        connect(server.url, timeout_s=0.5).get("/x")


def test_an_answer_that_never_ends_is_given_up_in_time() -> None:
    with DrippingServer() as server, pytest.raises(ForgeUnavailable, match=r"did not answer within 0\.3 s"):
        connect(server.url, timeout_s=0.3).get("/x")


def test_an_answer_that_is_too_large_is_not_held() -> None:
    with (
        DrippingServer(HEAD + b"\r\n" + b" " * (LARGEST_ANSWER + 1024 * 1024)) as server,
        pytest.raises(ForgeUnavailable, match=f"more than {LARGEST_ANSWER} bytes"),
    ):
        connect(server.url).get("/x")


@pytest.mark.parametrize("token", ["", "s3cr3t\n", "s3cr3t\r\nX-Evil: 1", "s3cr3t\u200b", "s3cr3t "])
def test_a_token_that_fits_no_header_is_refused_before_anything_is_sent(token: str) -> None:
    with impostor(lambda _: raw(200, b"{}")) as server:
        with pytest.raises(TokenNotAccepted, match="line ends or other odd characters") as raised:
            connect(server.url, token=token).get("/x")
        assert server.heard == []
    assert "s3cr3t" not in f"{raised.value!r} {raised.value.__context__!r}"


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 429, 500])
def test_the_token_stands_in_no_log_and_no_error(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = ""
    try:
        answer = raw(status, b"{}")
        told = repr(answered(answer))
    except (ForgeRefused, ForgeUnavailable, ForgeRateLimited, TokenNotAccepted) as error:
        told = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    assert told
    assert TOKEN not in told + caplog.text


def test_the_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert answered(raw(200, b'{"reached": true}')) == {"reached": True}


def test_the_proxy_of_the_settings_is_asked() -> None:
    with impostor(lambda _: raw(200, b"{}")) as server:
        connect("http://forge.acme.example/api", proxy=server.url).get("/x")
        assert b"".join(server.heard).startswith(b"GET http://forge.acme.example/api/x HTTP/1.1\r\n")


def pages(request: bytes, *, more: Callable[[int], bool], base: str = "https://evil.example/other") -> bytes:
    """A page with its number, and a link to the next one at another host."""
    number = int(asked_pages([request])[0])
    link = {"Link": f'<{base}?page={number + 7}&token=x>; rel="next", <{base}>; rel="last"'} if more(number) else {}
    return raw(200, json.dumps([number]).encode(), link)


def test_pages_are_asked_of_our_host_by_number_wherever_their_links_lead() -> None:
    with impostor(lambda request: pages(request, more=lambda number: number < 3)) as server:
        found = list(connect(server.url).pages("/x", {"state": "all"}, NUMBERS))
        assert found == [[1], [2], [3]]
        assert asked_pages(server.heard) == ["1", "2", "3"]
        assert b"".join(server.heard).count(b"GET /x?state=all&page=") == 3


def test_pages_without_end_are_read_as_far_as_wanted() -> None:
    with impostor(lambda request: pages(request, more=lambda _: True)) as server:
        listed = connect(server.url).pages("/x", {}, NUMBERS)
        assert [next(listed) for _ in range(2)] == [[1], [2]]
        assert asked_pages(server.heard) == ["1", "2"]


def test_an_empty_page_is_the_last_whatever_its_link_says() -> None:
    with impostor(lambda _: raw(200, b"[]", {"Link": '</x?page=2>; rel="next"'})) as server:
        assert list(connect(server.url).pages("/x", {}, NUMBERS)) == [[]]


@pytest.mark.parametrize("link", ["<", "nonsense", ";;;,,,", '<x>; rel="prev"', "<" * 20_000])
def test_a_link_that_names_no_next_page_ends_the_list(link: str) -> None:
    with impostor(lambda _: raw(200, b"[1]", {"Link": link})) as server:
        assert list(connect(server.url).pages("/x", {}, NUMBERS)) == [[1]]


def test_writes_are_spent_before_they_are_sent_and_reads_are_free() -> None:
    spent: list[int] = []
    with impostor(lambda _: raw(200, b"{}")) as server:
        client = connect(server.url, spend=spent.append)
        client.get("/x")
        client.ask("POST", "/x", body={})
        with client.limits.spending(2):
            client.ask("PATCH", "/x", body={})
            client.ask("POST", "/x", body={})
    assert spent == [1, 2]


def test_what_nothing_is_left_for_is_not_sent() -> None:
    def refuse(_: int) -> None:
        raise ForgeRateLimited(AT, "rate limit", retry_after=timedelta(seconds=9))

    with impostor(lambda _: raw(200, b"{}")) as server:
        with pytest.raises(ForgeRateLimited):
            connect(server.url, spend=refuse).ask("POST", "/x", body={})
        assert b"".join(server.heard) == b""


def test_a_tenth_of_what_is_left_is_kept_in_reserve() -> None:
    told = {"X-Limit": "100", "X-Left": "10", "X-Reset": "1777896090", "Date": "Mon, 04 May 2026 12:00:00 GMT"}
    with impostor(lambda _: raw(200, b"{}", told)) as server:
        client = connect(server.url)
        client.get("/x")
        with pytest.raises(ForgeRateLimited, match="10 of 100 requests") as raised:
            client.get("/x")
        assert b"".join(server.heard).count(b"GET /x") == 1
    assert raised.value.retry_after is not None
    assert timedelta(seconds=80) < raised.value.retry_after <= timedelta(seconds=90)
