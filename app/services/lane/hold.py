"""Hold what a person said no to: by closing its pull request, by taking it back in Git, or in what stands there."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from app.core.promotion.holds import GIT, Hold, HoldKind
from app.db import holds
from app.db.promotions import PromotionRow
from app.db.tables import new_id
from app.services.heads.view import HeadView
from app.services.lane.run import LaneRun


def hold_closed(  # noqa: PLR0913 (what was closed, all named)
    run: LaneRun, connection: Connection, *, stage: str, tags: Mapping[str, str], number: int, who: str
) -> None:
    """Hold what a pull request carried that a person closed: a tag of each policy, each by itself."""
    for policy, tag in sorted(tags.items()):
        why = f"pull request {number} was closed"
        hold = _hold(run, HoldKind.CLOSED, (stage, policy), tag, who=who, why=why)
        holds.add(connection, run.lane, hold, pull_request=number)


def hold_reverted(run: LaneRun, connection: Connection, promotion: PromotionRow, *, who: str) -> None:
    """Hold the tag of a promotion that a person took back on the base branch."""
    place, why = (promotion.stage, promotion.policy), f"{promotion.tag} was reverted"
    hold = _hold(run, HoldKind.REVERTED, place, promotion.tag, who=who, why=why)
    holds.add(connection, run.lane, hold, pull_request=None)


def note_holds_in_git(run: LaneRun, view: HeadView) -> None:
    """Keep what the rules hold and deny and which policies are suspended, as far as that is not known yet."""
    now = run.now()
    wanted = [replace(one, id=new_id(now), since=now) for one in _in_git(run, view)]
    with run.writing() as connection:
        holds.replace_in_git(connection, run.lane, wanted, now=now)


def _in_git(run: LaneRun, view: HeadView) -> Iterator[Hold]:
    for one in view.rules.holds:
        yield replace(one, image=run.systems.known_as(one.image)) if one.image is not None else one
    for policy in view.tree.policies:
        if policy.is_suspended:
            why = f"spec.suspend is true in {policy.file}"
            yield Hold(
                id="",
                stage=None,
                policy=str(policy.name),
                tags=None,
                kind=HoldKind.SUSPENDED,
                who=GIT,
                why=why,
                since=run.now(),
                is_in_git=True,
            )


def _hold(run: LaneRun, kind: HoldKind, place: tuple[str, str], tag: str, *, who: str, why: str) -> Hold:  # noqa: PLR0913 (what is held, all named)
    stage, policy = place
    now = run.now()
    return Hold(id=new_id(now), stage=stage, policy=policy, tags=(tag,), kind=kind, who=who, why=why, since=now)
