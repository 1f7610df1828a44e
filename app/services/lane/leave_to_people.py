"""Leave pull requests to the people who took them over, and tell them so once."""

from collections.abc import Sequence

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
            place = {"stage": one.stage, "policy": one.group, "reason": one.why}
            if not promotions.was_said(connection, run.lane, **place):
                more = f" It would propose {texts.code(one.wanted)} here." if one.wanted is not None else ""
                text = f"{one.why}.{more} What you can do: {one.next_step}."
                comment_on(connection, run.repo, one.number, occasion=one.why, text=text, now=run.now())
