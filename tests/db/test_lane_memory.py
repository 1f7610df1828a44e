"""What lanes remember between runs: fields, policies, pull requests, pushed heads and holds."""

from dataclasses import replace

from app.core.ports import PullRequestState
from app.core.promotion.holds import Hold, HoldKind
from app.db import fields, holds, policies, pull_requests, pushed_heads
from app.db.database import Database
from app.db.fields import FieldRow
from app.db.policies import PolicyRow
from app.db.pull_requests import PullRequestRow
from app.db.pushed_heads import PushedHead
from tests.db.facts import IMAGE, MINUTE, NOW
from tests.db.threads import at_once

LANE, OTHER_LANE = "fleet:main", "fleet:next"
SHA = "a" * 40

FIELD = FieldRow(
    lane=LANE,
    stage="staging",
    policy="clusters/staging:flux-system/web",
    image=str(IMAGE),
    file="apps/staging/web.yaml",
    line=7,
    text=f"{IMAGE}:1.2.0",
    tag="1.2.0",
    spec_hash="h",
    commit=SHA,
    seen_at=NOW,
)
POLICY = PolicyRow(
    lane=LANE,
    root="clusters/staging",
    namespace="flux-system",
    name="web",
    file="clusters/staging/web-policy.yaml",
    image=str(IMAGE),
    repository=str(IMAGE),
    spec="{}",
    stages=["staging"],
    selected_tag="1.2.0",
    status="selected",
    reason="",
)
PULL = PullRequestRow(
    lane=LANE,
    number=7,
    branch="fluxbridge/main/staging/web",
    stage="staging",
    group="web",
    url="https://git.acme.example/7",
    title="web 1.2.0",
    state=PullRequestState.OPEN,
    head_sha=SHA,
    tags={"web": "1.2.0"},
    opened_at=NOW,
)
HEAD = PushedHead(
    lane=LANE, branch="fluxbridge/main/staging/web", sha=SHA, base_sha="b" * 40, tags={"web": "1.2.0"}, recorded_at=NOW
)
HOLD = Hold(
    id="h1",
    stage="staging",
    policy="web",
    tags=("1.2.0",),
    kind=HoldKind.CLOSED,
    who="ann",
    why="pull request 7 was closed",
    since=NOW,
)


def test_the_fields_of_a_lane_are_those_of_its_last_run(database: Database) -> None:
    other = replace(FIELD, lane=OTHER_LANE)
    newer = replace(FIELD, text=f"{IMAGE}:1.3.0", tag="1.3.0")
    with database.transaction() as connection:
        fields.replace_all(connection, LANE, [FIELD, FIELD])
        fields.replace_all(connection, OTHER_LANE, [other])
        fields.replace_all(connection, LANE, [newer])
        assert list(fields.of(connection, LANE)) == [newer]
        assert list(fields.every(connection)) == [newer, other]
        fields.replace_all(connection, LANE, [])
        assert list(fields.of(connection, LANE)) == []


def test_the_policies_of_a_lane_are_those_of_its_last_run(database: Database) -> None:
    twin = replace(POLICY, root="clusters/production", status="problem: no such branch")
    with database.transaction() as connection:
        policies.replace_all(connection, LANE, [replace(POLICY, name="gone")])
        policies.replace_all(connection, LANE, [POLICY, twin])
        assert list(policies.find(connection, "flux-system", "web")) == [twin, POLICY]
        assert list(policies.find(connection, "flux-system", "gone")) == []
        assert policies.page(connection, limit=9, status="problem").items == [twin]
        assert policies.page(connection, limit=9, repo="flee").items == []


def test_pages_tell_every_policy_once(database: Database) -> None:
    names = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    rows = [replace(POLICY, root=root, name=name) for root, name in names]
    with database.transaction() as connection:
        policies.replace_all(connection, LANE, rows)
        seen: list[PolicyRow] = []
        after: str | None = None
        while True:
            page = policies.page(connection, limit=1, after=after, repo="fleet")
            seen += page.items
            after = page.next
            if after is None:
                break
    assert seen == rows


def test_a_pull_request_is_known_as_it_was_last_seen(database: Database) -> None:
    closed = replace(PULL, state=PullRequestState.CLOSED, ended_at=NOW + MINUTE, ended_by="ann")
    with database.transaction() as connection:
        pull_requests.upsert(connection, PULL)
        assert list(pull_requests.open_in(connection, LANE)) == [PULL]
        assert pull_requests.count_open(connection, LANE) == 1
        pull_requests.upsert(connection, closed)
        assert pull_requests.find(connection, LANE, 7) == closed
        assert list(pull_requests.open_in(connection, LANE)) == []
        assert pull_requests.find(connection, OTHER_LANE, 7) is None


def test_a_merge_that_only_git_shows_is_one_of_which_the_forge_has_to_tell(database: Database) -> None:
    merged = replace(PULL, state=PullRequestState.MERGED, ended_at=NOW)
    with database.transaction() as connection:
        pull_requests.upsert(connection, PULL)
        assert list(pull_requests.merged_untold(connection, LANE)) == []
        pull_requests.upsert(connection, merged)
        assert list(pull_requests.merged_untold(connection, LANE)) == [merged]
        pull_requests.upsert(connection, replace(merged, ended_by="mira"))
        assert list(pull_requests.merged_untold(connection, LANE)) == []


def test_a_hold_stands_until_it_is_lifted(database: Database) -> None:
    with database.transaction() as connection:
        holds.add(connection, LANE, HOLD, pull_request=7)
        holds.add(connection, LANE, replace(HOLD, id="h2"), pull_request=7)
        assert list(holds.active(connection, LANE)) == [HOLD]
        assert list(holds.active(connection, OTHER_LANE)) == []
        holds.lift_of_pull_request(connection, LANE, 8, at=NOW)
        assert list(holds.active(connection, LANE)) == [HOLD]
        holds.lift_of_pull_request(connection, LANE, 7, at=NOW)
        assert list(holds.active(connection, LANE)) == []


def test_a_commit_of_ours_is_known_before_it_is_pushed(database: Database) -> None:
    with database.transaction() as connection:
        pushed_heads.record(connection, HEAD)
        pushed_heads.record(connection, HEAD)
        assert pushed_heads.find(connection, LANE, SHA) == HEAD
        assert pushed_heads.has(connection, LANE, SHA)
        assert pushed_heads.find(connection, LANE, SHA[:12]) == HEAD
        assert pushed_heads.find(connection, LANE, SHA[:11]) is None
        pushed_heads.record(connection, replace(HEAD, sha=SHA[:20] + "0" * 20))
        assert pushed_heads.find(connection, LANE, SHA[:12]) is None
        assert pushed_heads.find(connection, LANE, SHA[:30]) == HEAD
        assert not pushed_heads.has(connection, OTHER_LANE, SHA)
        assert pushed_heads.is_known(connection, SHA)
        assert not pushed_heads.is_known(connection, "f" * 40)


def test_the_same_head_from_two_workers_at_once_is_one(database: Database) -> None:
    def record() -> None:
        with database.transaction() as connection:
            pushed_heads.record(connection, HEAD)

    at_once(*[record] * 4)
    with database.transaction() as connection:
        assert pushed_heads.has(connection, LANE, SHA)
        assert pushed_heads.find(connection, LANE, SHA[:12]) == HEAD
        assert pushed_heads.find(connection, LANE, SHA[:11]) is None
        pushed_heads.record(connection, replace(HEAD, sha=SHA[:20] + "0" * 20))
        assert pushed_heads.find(connection, LANE, SHA[:12]) is None
        assert pushed_heads.find(connection, LANE, SHA[:30]) == HEAD
