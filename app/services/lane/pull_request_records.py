"""Write down what each pull request carries and how its promotions stand, where something of it is new."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.core.facts import US
from app.core.images import ImageName
from app.core.ports import PullRequestState
from app.core.promotion.proposals import Move, Place, Proposal
from app.db import latencies, promotions, pull_requests, requests
from app.db.promotions import PromotionRow, PromotionState
from app.db.pull_requests import PullRequestRow
from app.services.lane.run import LaneRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A pull request that says what it should, from a branch at `commit`; `text_hash` stands for what it says."""

    number: int
    url: str
    title: str
    text_hash: str
    commit: str


@dataclass(frozen=True, slots=True)
class PullRequestRecords:
    """What was known of pull requests and promotions when a run began to write the former."""

    run: LaneRun
    ids: Mapping[Place, str]
    """The promotion of each move, by its stage and policy."""
    pulls: Mapping[int, PullRequestRow]
    promotions: Mapping[str, PromotionRow]

    @classmethod
    def read(cls, run: LaneRun, ids: Mapping[Place, str], numbers: Iterable[int]) -> "PullRequestRecords":
        """Read all at once: most of many pull requests say already what they should."""
        with run.database.transaction() as connection:
            pulls = pull_requests.numbered(connection, run.lane, numbers)
            moved = promotions.among(connection, ids.values())
        return cls(run, ids, {one.number: one for one in pulls}, {one.id: one for one in moved})

    def write(self, proposal: Proposal, pull: Written) -> None:
        """Write one down. Raises LostLane."""
        before = self.pulls.get(pull.number)
        if before is not None and before == self._row(proposal, pull, opened_at=before.opened_at):
            stands = (self.promotions.get(self._id_of(proposal, move)) for move in proposal.moves)
            if all(_is_known(*one, pull) for one in zip(stands, proposal.moves, strict=True)):
                return
        now = self.run.now()
        with self.run.writing() as connection:
            known = pull_requests.find(connection, self.run.lane, pull.number)
            row = self._row(proposal, pull, opened_at=known.opened_at if known is not None else now)
            pull_requests.upsert(connection, row)
            if row.request is not None:
                requests.carried_by(connection, row.request, pull.number)
            for move in proposal.moves:
                self._move(connection, proposal, move, pull)
                if known is None or not known.head_sha:
                    self._note_latency(connection, move, now)

    def _row(self, proposal: Proposal, pull: Written, *, opened_at: datetime) -> PullRequestRow:
        return PullRequestRow(
            lane=self.run.lane,
            number=pull.number,
            branch=proposal.branch,
            stage=proposal.stage,
            group=proposal.group,
            url=pull.url,
            title=pull.title,
            state=PullRequestState.OPEN,
            head_sha=pull.commit,
            tags=proposal.tags,
            opened_at=opened_at,
            text_hash=pull.text_hash,
            request=proposal.request.id if proposal.request is not None else None,
        )

    def _id_of(self, proposal: Proposal, move: Move) -> str:
        return self.ids[proposal.stage, str(move.policy)]

    def _move(self, connection: Connection, proposal: Proposal, move: Move, pull: Written) -> None:
        """The promotion is proposed: an event only where something of it is new."""
        promotion_id = self._id_of(proposal, move)
        if _is_known(promotions.find(connection, promotion_id), move, pull):
            return
        promotions.move(
            connection,
            promotion_id,
            PromotionState.PROPOSED,
            reason="; ".join(move.reasons),
            who=US,
            at=self.run.now(),
            learned={
                "pull_request": pull.number,
                "branch": proposal.branch,
                "head_sha": pull.commit,
                "digest": move.digest,
                "from_tag": move.from_tag,
                "build_id": move.build.build_id if move.build else None,
            },
        )

    def _note_latency(self, connection: Connection, move: Move, now: datetime) -> None:
        """Count how long it took since the newest webhook that led to a new pull request; the sweep's have none."""
        build_id = move.build.build_id if move.build is not None else None
        image = self.run.systems.known_as(ImageName.parse_any(move.image))
        came = latencies.told_at(connection, image, move.tag, build_id=build_id, until=now)
        if came is not None:
            latencies.note(connection, now - came)


def _is_known(row: PromotionRow | None, move: Move, pull: Written) -> bool:
    return row is not None and (row.state, row.pull_request, row.head_sha, row.digest, row.from_tag) == (
        PromotionState.PROPOSED,
        pull.number,
        pull.commit,
        move.digest or row.digest,
        move.from_tag or row.from_tag,
    )
