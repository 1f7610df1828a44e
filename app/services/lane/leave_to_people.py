"""Leave pull requests to the people who took them over, and tell them so once."""

from collections.abc import Sequence

from sqlalchemy import Connection

from app.core.promotion.leaving import Left
from app.core.writing import texts
from app.db import promotions
from app.services.lane.run import LaneRun
from app.services.telling.comments import comment_on


def tell_left(run: LaneRun, left: Sequence[Left]) -> None:
    """Have it said in each of these pull requests, unless the history says it: before the plan is written down.

    A run that is broken off in between comes to it again, and what is to be said once is.
    """
    if not left or run.repo.is_observing:
        return
    with run.writing() as connection:
        for one in left:
            if not _is_said(run, connection, one):
                wanted = ", ".join(texts.code(image) for image in one.wanted)
                more = f" It would propose {wanted} here." if wanted else ""
                text = f"{one.why}.{more} What you can do: {one.next_step}."
                comment_on(connection, run.repo, one.number, occasion=one.why, text=text, now=run.now())


def _is_said(run: LaneRun, connection: Connection, one: Left) -> bool:
    return any(
        promotions.was_said(connection, run.lane, stage=stage, policy=policy, reason=one.why)
        for stage, policy in one.places
    )
