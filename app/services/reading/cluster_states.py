"""Read how clusters stand: what each runs, what failed there, and what nothing was heard of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.facts import DEPLOYER
from app.core.promotion.applying import ApplicationState, is_deployer_place, is_running
from app.db import applications, cluster_states, promotions, revisions
from app.db.applications import ApplicationRow
from app.db.cluster_states import ClusterStateRow
from app.db.promotions import PromotionRow, PromotionState
from app.db.revisions import RevisionRow

_LET_IN = (PromotionState.MERGED, PromotionState.REVERTED)
_APPLY = frozenset({"Kustomization", DEPLOYER})
_NO_SUCCESS = "notification-controller 1.8.0 to 1.8.3 tells of no success, see docs/flux.md"


class ClusterStateView(BaseModel):
    """How one cluster's Kustomization, or `deployer NAME`, stands now with what was let in.

    `state` is that of an application, or waiting, or overdue: nothing was heard, and `message` says what is known.
    `runs` is the tag that was applied there last, whatever Git has; None where that is not known. `promotion` is the
    one that `state` is about. `by` is the build that applied it, where a Jenkins deploys.
    """

    cluster: str
    kustomization: str
    state: str
    at: datetime | None
    message: str
    promotion: str | None
    runs: str | None
    by: str | None = None
    revision: str | None
    newest_revision: str | None
    newest_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClusterStateReader:
    """Finds how the clusters stand at one moment; what is not heard of within `applied_within` is overdue."""

    connection: Connection
    now: datetime
    applied_within: timedelta
    _tags: dict[str, str] = field(default_factory=dict)
    _heard: dict[str, Mapping[str, RevisionRow]] = field(default_factory=dict)

    def at(self, connection: Connection) -> "ClusterStateReader":
        """The same reader, with all that it knows, in another transaction."""
        return replace(self, connection=connection)

    def of_stage(self, lane: str, *, stage: str, policy: str, came: PromotionRow | None) -> list[ClusterStateView]:
        """The clusters of a policy in a stage; `came` is what brought the tag that Git has there."""
        rows = cluster_states.of_policy(self.connection, lane, stage=stage, policy=policy)
        lines = self._lines(rows)
        found: list[ClusterStateView] = []
        for row in rows:
            newest, running = lines.get(row.newest_id or 0), lines.get(row.running_id or 0)
            is_about_it = newest is not None and newest.promotion_id == row.promotion_id
            if came is not None and not is_about_it and _is_waited_for(row, came):
                found.append(self._unheard(row, running))
            elif newest is not None and not _is_left(row, rows):
                found.append(self._told(newest, running))
        return found

    def of_promotion(self, row: PromotionRow) -> list[ClusterStateView]:
        """How the clusters stood last with a promotion, also those that should have told of it and have not."""
        if row.state not in _LET_IN:
            return []
        places = cluster_states.of_policy(self.connection, row.lane, stage=row.stage, policy=row.policy)
        running = self._lines(places)
        of_place = {(one.place.cluster, one.place.kustomization): one for one in places}
        last = {(one.cluster, one.kustomization): one for one in applications.of_promotion(self.connection, row.id)}
        found: list[ClusterStateView] = []
        for pair in sorted(of_place.keys() | last.keys()):
            place = of_place.get(pair)
            runs = running.get(place.running_id or 0) if place is not None else None
            if pair in last:
                found.append(self._told(last[pair], runs))
            elif place is not None and place.is_expected and place.promotion_id == row.id:
                found.append(self._unheard(place, runs))
        return found

    def of_lane(self, lane: str) -> Sequence[tuple[ClusterStateRow, ClusterStateView]]:
        """Every place of a lane whose promotion should have arrived."""
        rows = [one for one in cluster_states.of_lane(self.connection, lane) if one.is_expected and one.promotion_id]
        lines = self._lines(rows)
        return [
            (row, self._expected(row, lines.get(row.newest_id or 0), lines.get(row.running_id or 0))) for row in rows
        ]

    def _expected(
        self, row: ClusterStateRow, newest: ApplicationRow | None, running: ApplicationRow | None
    ) -> ClusterStateView:
        if newest is not None and newest.promotion_id == row.promotion_id:
            return self._told(newest, running)
        return self._unheard(row, running)

    def _lines(self, rows: Sequence[ClusterStateRow]) -> Mapping[int, ApplicationRow]:
        """The applications that these places name, by their ids; the tags of their promotions are known then."""
        lines = applications.with_ids(self.connection, (one for row in rows for one in (row.newest_id, row.running_id)))
        unknown = {one.promotion_id for one in lines.values()} - self._tags.keys()
        self._tags.update(promotions.tags_of(self.connection, unknown))
        return lines

    def _told(self, line: ApplicationRow, running: ApplicationRow | None) -> ClusterStateView:
        return ClusterStateView(
            cluster=line.cluster,
            kustomization=line.kustomization,
            state=line.state,
            at=line.at,
            message=line.message,
            promotion=line.promotion_id,
            runs=self._runs(running),
            by=line.message
            if line.state == ApplicationState.APPLIED and is_deployer_place(line.kustomization)
            else None,
            revision=line.revision,
            newest_revision=line.newest_revision,
            newest_at=line.newest_at,
        )

    def _unheard(self, row: ClusterStateRow, running: ApplicationRow | None) -> ClusterStateView:
        is_overdue = row.since is not None and self.now >= row.since + self.applied_within
        return ClusterStateView(
            cluster=row.place.cluster,
            kustomization=row.place.kustomization,
            state=ApplicationState.OVERDUE if is_overdue else ApplicationState.WAITING,
            at=row.since,
            message=self._why_unheard(row) if is_overdue else row.hindrance or "",
            promotion=row.promotion_id,
            runs=self._runs(running),
            revision=None,
            newest_revision=None,
            newest_at=None,
        )

    def _runs(self, running: ApplicationRow | None) -> str | None:
        if running is None or not is_running(running.state):
            return None
        return self._tags.get(running.promotion_id)

    def _why_unheard(self, row: ClusterStateRow) -> str:
        """What is known where nothing was heard since a merge."""
        if row.hindrance is not None:
            return row.hindrance
        cluster, name = row.place.cluster, row.place.kustomization
        if cluster not in self._heard:
            of_cluster = revisions.of_cluster(self.connection, cluster)
            self._heard[cluster] = {one.kustomization: one for one in of_cluster if one.kind in _APPLY}
        heard = self._heard[cluster].get(name)
        if heard is None and is_deployer_place(name):
            return f"no build of {name} ever told of it"
        if not self._heard[cluster]:
            return f"no event ever came from cluster {cluster}"
        if heard is None:
            return f"no event of Kustomization {name} ever came, though others of {cluster} did"
        return _what_was_heard(heard, row.since)


def _is_waited_for(row: ClusterStateRow, came: PromotionRow) -> bool:
    """Whether a Kustomization should bring what came, or Git shows why it cannot be told what it should bring."""
    is_unclear = row.promotion_id is None and row.hindrance is not None
    return row.is_expected and (row.promotion_id == came.id or is_unclear)


def _is_left(row: ClusterStateRow, rows: Iterable[ClusterStateRow]) -> bool:
    """Whether another Kustomization of the cluster has taken over what this one applied before Git dropped it."""
    return not row.is_expected and any(
        one.is_expected and one.place.cluster == row.place.cluster and (one.newest_id or 0) > (row.newest_id or 0)
        for one in rows
    )


def _what_was_heard(heard: RevisionRow, since: datetime | None) -> str:
    if heard.underway_at is not None and heard.underway_at >= max(heard.at, since or heard.at):
        at, revision = heard.underway_at, _short(heard.underway_revision or "a revision")
        told = f"{heard.underway_reason} of {revision} at {at:%Y-%m-%d %H:%M:%S}"
        if heard.underway_reason == "Progressing":
            return f"only {told} was told, and no result ({_NO_SUCCESS})"
        return f"{told}: {heard.underway_message}"
    if heard.unused is not None:
        return heard.unused
    if not heard.revision:
        return f"no result of it was ever told ({_NO_SUCCESS})"
    told = f"{heard.reason} of {_short(heard.revision)} at {heard.at:%Y-%m-%d %H:%M:%S}"
    if since is not None and heard.received_at < since:
        return f"nothing was heard of it since; the last was {told}"
    return f"the last was {told}, where its files have another text"


def _short(revision: str) -> str:
    """A revision with its hash cut off as Git does."""
    pointer, colon, digest = revision.rpartition(":")
    return f"{pointer}{colon}{digest[:12]}"[:80]
