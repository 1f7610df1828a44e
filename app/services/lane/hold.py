"""Hold what a person said no to: by closing its pull request or by taking it back in Git."""

from sqlalchemy import Connection

from app.core.promotion.holds import Hold, HoldKind
from app.db import holds
from app.db.promotions import PromotionRow
from app.db.tables import new_id
from app.services.lane.run import LaneRun


def hold_closed(  # noqa: PLR0913 (what was closed, all named)
    run: LaneRun, connection: Connection, *, stage: str, policy: str, tag: str, number: int, who: str
) -> None:
    """Hold the tag of a pull request that a person closed."""
    hold = Hold(
        id=new_id(run.now()),
        stage=stage,
        policy=policy,
        tags=(tag,),
        kind=HoldKind.CLOSED,
        who=who,
        why=f"pull request {number} was closed",
        since=run.now(),
    )
    holds.add(connection, run.lane, hold, pull_request=number)


def hold_reverted(run: LaneRun, connection: Connection, promotion: PromotionRow, *, who: str) -> None:
    """Hold the tag of a promotion that a person took back on the base branch."""
    hold = Hold(
        id=new_id(run.now()),
        stage=promotion.stage,
        policy=promotion.policy,
        tags=(promotion.tag,),
        kind=HoldKind.REVERTED,
        who=who,
        why=f"{promotion.tag} was reverted",
        since=run.now(),
    )
    holds.add(connection, run.lane, hold, pull_request=None)
