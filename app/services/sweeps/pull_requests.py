"""Find pull requests: where a forge shows one of ours otherwise than we know it, its lane is due."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection

from app.core.commits import is_same_commit
from app.core.ports import PullRequestSeen, PullRequestState
from app.db import lanes, pull_requests, pushed_heads, sweep_marks
from app.db.pull_requests import PullRequestRow
from app.services.sweeps.sweep_run import SweepRun
from app.services.systems import ConfigRepo

_SWEEP = "pull_requests"
_MOST_RECENT = 100


def sweep_pull_requests(run: SweepRun) -> None:
    """Compare the pull requests that changed last at each forge with what we know; the same difference counts once."""
    for repo in run.systems.config_repos.values():
        if not repo.refs_show_pull_requests:
            with run.attempt(repo.name), run.asking_forge(repo):
                _compare(run, repo)


def _compare(run: SweepRun, repo: ConfigRepo) -> None:
    seen = repo.forge.recent_pull_requests(prefix=repo.prefix, limit=_MOST_RECENT)
    by_lane = {lanes.key_of(repo.name, branch): branch for branch in repo.branches}
    with run.database.transaction() as connection:
        differing = _differing(connection, by_lane, {one.number: one for one in seen})
        marks = {lane: _mark(differing.get(lane, {})) for lane in by_lane}
        known = sweep_marks.of(connection, _SWEEP, by_lane)
        due = [lane for lane, mark in marks.items() if mark and mark != known.get(lane)]
        if not run.is_dry:
            lanes.raise_wanted(connection, due, now=run.now())
            for lane in sorted(lane for lane, mark in marks.items() if mark != known.get(lane, 0)):
                sweep_marks.put(connection, _SWEEP, lane, marks[lane], now=run.now())
    for lane in due:
        told = ", ".join(f"#{number} {how}" for number, how in sorted(differing[lane].items()))
        run.find(f"{lane}: {told}", len(differing[lane]))


def _differing(
    connection: Connection, by_lane: Mapping[str, str], seen: Mapping[int, PullRequestSeen]
) -> Mapping[str, Mapping[int, str]]:
    """Of each lane the pull requests that the forge shows otherwise, each with how."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for lane, branch in by_lane.items():
        rows = {row.number: row for row in pull_requests.numbered(connection, lane, seen)}
        for number, row in rows.items():
            how = _difference(row, seen[number], branch)
            if how is not None:
                found[lane][number] = how
        for number, one in seen.items():
            is_new = number not in rows and one.base == branch and one.state is PullRequestState.OPEN
            if is_new and pushed_heads.has(connection, lane, one.head_sha):
                found[lane][number] = f"is open and of our commit {one.head_sha[:12]}"
    return found


def _difference(row: PullRequestRow, seen: PullRequestSeen, branch: str) -> str | None:
    if row.state is not seen.state:
        return f"is {seen.state}, not {row.state}"
    if seen.state is not PullRequestState.OPEN:
        return None
    if seen.base != branch:
        return f"goes into {seen.base}, not {branch}"
    if row.head_sha and not is_same_commit(seen.head_sha, row.head_sha):
        return f"has the commit {seen.head_sha[:12]}, not {row.head_sha[:12]}"
    return None


def _mark(differences: Mapping[int, str]) -> int:
    """A number that stands for these differences; 0: none."""
    if not differences:
        return 0
    written = "\n".join(f"{number} {how}" for number, how in sorted(differences.items()))
    return int.from_bytes(hashlib.sha256(written.encode()).digest()[:7], "big") or 1
