"""Leave pull requests to the people who took them over, and tell them so once."""

from collections.abc import Iterable, Sequence

from app.core.promotion.leaving import Left
from app.core.writing import texts
from app.db import promotions
from app.services.lane.run import LaneRun


def not_told_yet(run: LaneRun, left: Iterable[Left]) -> Sequence[Left]:
    """Those of which the history does not say it yet, to be asked before the plan is written down.

    Whoever is not told although it is written down was left by a run that died in between: better never than twice.
    """
    if run.repo.is_observing:
        return []
    with run.database.transaction() as connection:
        return [
            one
            for one in left
            if not any(
                promotions.was_said(connection, run.lane, stage=stage, policy=policy, reason=one.why)
                for stage, policy in one.places
            )
        ]


def tell_left(run: LaneRun, untold: Iterable[Left]) -> None:
    """Say it in each of these pull requests."""
    for one in untold:
        wanted = ", ".join(texts.code(image) for image in one.wanted)
        more = f" It would propose {wanted} here." if wanted else ""
        run.repo.forge.comment(one.number, f"{one.why}.{more} What you can do: {one.next_step}.")
