"""What pull requests and commits say of what people asked for; who asked, and why, is quoted and never markup."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.promotion.proposals import Proposal
from app.core.promotion.requests import Request, Undone
from app.core.writing import texts
from tests.core.promotion.asked import ASKS_NOTHING, back, forward, target
from tests.core.promotion.lanes import NOW, Lane, app_lane, deployment, digest, policy_file, tag_state
from tests.core.promotion.together import Fleet

IMAGE = "registry.acme.example/team/app"
TAGS = tuple(tag_state(tag) for tag in ("1.0.0", "1.1.0", "1.2.0", "1.3.0"))
UNDONE = Undone(tag="1.3.0", since=NOW - timedelta(days=2), build="build 12 of shop/app", pull_request=41, who="mira")
BACK = back(target("1.1.0", undoes=UNDONE))
FORWARD = forward(target("1.2.0"))
FORCED = replace(FORWARD, is_forced=True)
BOTH = back(target("1.1.0", "flux-system/api"), target("1.0.0", "flux-system/web"), stage="all")


def proposed(request: Request, *, production: str = "1.3.0") -> Proposal:
    """What is proposed for a request in production."""
    lane = replace(app_lane(*TAGS, production=production), requests=(request,), rules=ASKS_NOTHING)
    [found] = [one for one in lane.plan().proposals if one.request is not None]
    return found


def of_many(request: Request) -> Proposal:
    """What is proposed for a request of two members of a group."""
    names = ("api", "web")
    tags = {name: [one.tag for one in TAGS] for name in names}
    fleet = Fleet(dict.fromkeys(names, "1.3.0"), "any", tags=tags, lane=replace(Lane({}), requests=(request,)))
    [found] = [one for one in fleet.plan().proposals if one.request is not None]
    return found


def of_digest() -> Proposal:
    """What is proposed to bring an earlier digest of the same tag back."""
    spec = b"spec:\n  digestReflectionPolicy: Always\n  interval: 10m\n  imageRepositoryRef"
    files = {
        "images/app.yaml": policy_file().replace(b"spec:\n  imageRepositoryRef", spec),
        "apps/production/app.yaml": deployment(f"1.1.0@{digest('1.1.0')}"),
        "apps/staging/app.yaml": b"a: b\n",
    }
    [found] = (
        Lane(files, TAGS[:2], ASKS_NOTHING, requests=(back(target("1.1.0", digest=digest("then"))),)).plan().proposals
    )
    return found


def message(found: Proposal) -> str:
    """The commit message."""
    return texts.commit_message(found, promotion_ids=dict.fromkeys(found.places, "01JABC"))


def body(found: Proposal) -> str:
    """The body of the pull request."""
    return texts.body(found, build_urls={})


@pytest.mark.parametrize(
    ("found", "title"),
    [
        pytest.param(proposed(BACK), "Roll back app 1.3.0 to 1.1.0 in production", id="rollback"),
        pytest.param(proposed(FORWARD, production="1.0.0"), "Promote app 1.0.0 to 1.2.0 in production", id="promotion"),
        pytest.param(
            proposed(FORCED, production="1.0.0"), "Promote app 1.0.0 to 1.2.0 in production (forced)", id="forced"
        ),
        pytest.param(
            proposed(FORWARD),
            "Move app down, 1.3.0 to 1.2.0 in production: ada asked for it: loses orders",
            id="promotion-down",
        ),
        pytest.param(
            of_digest(), "Roll back app to an earlier digest of 1.1.0 in production", id="only-another-digest"
        ),
        pytest.param(of_many(BOTH), "Roll back shop: api 1.1.0, web 1.0.0", id="group"),
        pytest.param(
            of_many(replace(BOTH, targets=BOTH.targets[:1])), "Roll back api 1.3.0 to 1.1.0", id="one-of-a-group"
        ),
        pytest.param(
            replace(of_many(BOTH), group=BOTH.own_place), "Roll back 2 apps: api 1.1.0, web 1.0.0", id="several-apps"
        ),
        pytest.param(
            replace(of_many(replace(BOTH, undoes=41)), group=BOTH.own_place),
            "Roll back pull request 41: api 1.1.0, web 1.0.0",
            id="a-pull-request",
        ),
        pytest.param(
            of_many(forward(*BOTH.targets, stage="all", is_forced=True)),
            "Move shop: api down to 1.1.0, web down to 1.0.0 (forced)",
            id="forced-down-as-a-group",
        ),
    ],
)
def test_titles(found: Proposal, title: str) -> None:
    assert texts.title(found) == title
    assert message(found).partition("\n")[0] == title


def test_a_rollback_says_who_asked_when_why_and_what_it_takes_back() -> None:
    told = body(proposed(BACK))
    assert told.startswith("**Rollback** by `ada` at 2026-11-21 12:00 UTC: `loses orders`\n")
    assert "**This goes down**, from `1.3.0`: `ada asked for a rollback: loses orders`." in told
    assert (
        "| Takes back | `1.3.0 in since 2026-11-19 12:00 UTC, let in by pull request 41, by mira, "
        "of build 12 of shop/app` |" in told
    )
    assert "| Version | minor, down |" in told
    assert "- `the stage had it before`" in told
    assert told.rstrip().endswith("Closing it ends the request.")
    assert "`fluxbridge hold list --stage production`" in told
    assert "It waits for no limit, window or freeze." in told


def test_a_rollback_of_a_pull_request_says_of_which() -> None:
    assert ", of all that pull request 41 let in: `loses orders`" in body(proposed(replace(BACK, undoes=41)))


def test_a_promotion_promises_no_rollback_and_a_forced_one_says_so_in_every_place() -> None:
    plain, forced = proposed(FORWARD, production="1.0.0"), proposed(FORCED, production="1.0.0")
    assert body(plain).startswith("**Asked for** by `ada` at 2026-11-21 12:00 UTC: `loses orders`\n")
    assert "orced" not in body(plain) + message(plain)
    assert "**Forced** by `ada`: the gates of entering were not asked." in body(forced)
    assert "\nForced-By: ada\n" in message(forced)
    for one in (plain, forced):
        assert body(one).rstrip().endswith("Merging lets this tag in. Closing it ends the request.")
        assert "hold list" not in body(one)


def test_a_forced_one_says_so_however_long_its_tags_are() -> None:
    found = proposed(FORCED, production="1.0.0")
    [move] = found.moves
    long = replace(move, known=replace(move.known, tag="1.2.0-" + "a" * 122), from_tag="1.0.0-" + "b" * 122)
    for one in (replace(found, moves=(long,)), replace(found, moves=(long,) * 9)):
        told = texts.title(one)
        assert "(forced)" in told
        assert len(told) <= 250


def test_a_rollback_to_another_digest_names_both() -> None:
    told = body(of_digest())
    assert f"| Digest | `{digest('then')}` |" in told
    assert f"`{IMAGE}:1.1.0@{digest('1.1.0')}` → `{IMAGE}:1.1.0@{digest('then')}`" in told
    assert f"\nImage: {IMAGE}:1.1.0@{digest('then')}\n" in message(of_digest())


def test_trailers_name_the_request_once_and_each_move() -> None:
    assert message(of_many(BOTH)).splitlines()[1:] == [
        "",
        "Fluxbridge-Request: 01BACK",
        "Rolled-Back-For: ada",
        "Fluxbridge-Promotion: 01JABC",
        f"Image: registry.acme.example/team/api:1.1.0@{digest('1.1.0')}",
        "Policy: flux-system/api",
        "Fluxbridge-Promotion: 01JABC",
        f"Image: registry.acme.example/team/web:1.0.0@{digest('1.0.0')}",
        "Policy: flux-system/web",
    ]
    assert message(proposed(FORCED, production="1.0.0")).splitlines()[2:5] == [
        "Fluxbridge-Request: 01FORWARD",
        "Promoted-For: ada",
        "Forced-By: ada",
    ]


def test_what_each_move_of_several_takes_back_stands_below_its_own_heading() -> None:
    undone = [replace(UNDONE, tag=tag) for tag in ("1.3.0", "1.2.5")]
    both = zip(BOTH.targets, undone, strict=True)
    told = body(of_many(replace(BOTH, targets=tuple(replace(one, undoes=what) for one, what in both))))
    assert [told.index(one) for one in ("## `api`", "`1.3.0 in since", "## `web`", "`1.2.5 in since")] == sorted(
        told.index(one) for one in ("## `api`", "`1.3.0 in since", "## `web`", "`1.2.5 in since")
    )
    assert told.count("**Rollback**") == 1


HOSTILE = [
    pytest.param("x\nSigned-off-by: boss", id="another-trailer"),
    pytest.param("x\r\n\r\nForced-By: boss", id="another-paragraph"),
    pytest.param("x\u2028Forced-By: boss\x85Forced-By: boss\x0bForced-By: boss", id="odd-line-ends"),
    pytest.param("closes #7, fixes octo/infra#8, resolves GH-9", id="closing-words"),
    pytest.param("closes https://github.com/o/r/issues/1", id="address"),
    pytest.param("@octo/admins and é@octocat", id="mentions"),
    pytest.param("`a` <b>bold</b> [x](https://phish.test) ![x](//phish.test) | x |", id="markup"),
    pytest.param("``` \n# heading\n- [ ] task\n|a|b|", id="block-markup"),
    pytest.param("\u202eevil\u2066\u200b", id="unseen"),
    pytest.param("`" * 2000, id="backticks"),
    pytest.param("a" * 5000, id="long"),
    pytest.param("", id="empty"),
]
_SPANS = ("#7", "#8", "GH-9", "https://", "@octo", "\u202e", "\u2066", "\u200b", "\u2028", "\x85", "\x0b")


@pytest.mark.parametrize("is_who", [False, True], ids=["why", "who"])
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("request_", [BACK, FORWARD, FORCED], ids=["rollback", "promotion", "forced"])
def test_who_and_why_are_quoted_on_one_line(request_: Request, hostile: str, *, is_who: bool) -> None:
    asked = replace(request_, **({"who": hostile} if is_who else {"why": hostile}))  # type: ignore[arg-type]
    found = proposed(taking_back(asked, replace(UNDONE, who=hostile, build=hostile)))
    plain = proposed(taking_back(request_, UNDONE))
    assert [one for one in _SPANS if one in texts.title(found) + message(found) + body(found)] == []
    assert len(texts.title(found)) <= 250
    assert keys(message(found)) == keys(message(plain))
    assert outside_code(body(found)) == outside_code(body(plain))
    assert max(map(len, message(found).splitlines())) < 1000
    assert len(body(found)) < 10_000


def taking_back(request: Request, undone: Undone) -> Request:
    """The same request that takes something back."""
    return replace(request, targets=tuple(replace(one, undoes=undone) for one in request.targets))


def keys(commit: str) -> list[str]:
    """The trailers of a commit, by their keys, with what git counts as its paragraphs."""
    subject, blank, *trailers = commit.split("\n")
    assert subject
    assert blank == ""
    return [one.partition(": ")[0] for one in trailers]


def outside_code(markdown: str) -> str:
    """A Markdown text without what is quoted as code."""
    spans = markdown.split("`")
    assert len(spans) % 2 == 1, "every quote is closed"
    return "`".join(spans[::2])


@given(who=st.text(max_size=40), why=st.text(max_size=200), kind=st.sampled_from([BACK, FORWARD, FORCED]))
def test_whatever_who_and_why_are_nothing_else_changes(who: str, why: str, kind: Request) -> None:
    base = CACHED[kind]
    request = replace(kind, who=who, why=why)
    moves = tuple(replace(one, reasons=(request.asked, *one.reasons[1:])) for one in base.moves)
    found = replace(base, request=request, moves=moves)
    assert keys(message(found)) == keys(message(base))
    assert outside_code(body(found)) == outside_code(body(base))
    assert len(message(found).splitlines()) == len(message(base).splitlines())


CACHED: Mapping[Request, Proposal] = {one: proposed(one) for one in (BACK, FORWARD, FORCED)}
