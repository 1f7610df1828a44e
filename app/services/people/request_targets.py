"""The tags that a request asks for: found in the history, the group, another stage, or named by whoever asks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from app.core.errors import Invalid
from app.core.nearest import did_you_mean
from app.core.promotion.gates.answers import GateAnswers, Verdict
from app.core.promotion.holds import Hold, Stops
from app.core.promotion.parts import Part
from app.core.promotion.present import present_tag
from app.core.promotion.proposals import Change
from app.core.promotion.requested import answer_of, is_target_there, with_asked_digest
from app.core.promotion.requests import Request, Target
from app.core.promotion.rules import Together
from app.core.promotion.tags import TagState, counting_builds
from app.core.promotion.walk import Passed, as_written, denied_words, order_in
from app.db import build_reports, promotions
from app.db.promotions import PromotionRow, PromotionState
from app.services.people.asked_places import AskedPlace, Asking, with_tag
from app.services.people.earlier_tags import (
    Earlier,
    brought_by,
    earlier_tags,
    short,
    undone,
    writes_digest,
)

_MOST_TRIED = 10


class CannotGoThere(Invalid):
    """A tag cannot be asked for; says why, and which would do instead."""

    def __init__(self, place: AskedPlace, tag: str, why: str, instead: str | None) -> None:
        step = f"; {instead}" if instead is not None else ""
        super().__init__(f"{short(place)} cannot have {tag[:128]} in {place.stage}: {why}{step}")


class NothingBefore(Invalid):
    """A stage has nothing to go back to."""

    def __init__(self, place: AskedPlace, passed_over: Sequence[str]) -> None:
        there = present_tag(place.fields) or "what is there"
        found = f" ({'; '.join(passed_over)})" if passed_over else ""
        super().__init__(
            f"nothing to go back to: before {there} nothing good is known of {short(place)} in {place.stage}{found}; "
            "name a tag with --to"
        )


class ThereAlready(Invalid):
    """What is asked for is what is there."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what[:500]}: nothing would change")


class UndoneWithOthers(Invalid):
    """A pull request cannot be undone alone: other tags came since."""

    def __init__(self, number: int, since: Sequence[str], step: str) -> None:
        super().__init__(f"pull request {number} cannot be undone alone: {'; '.join(since)[:1500]}; {step}")


class NotOfPullRequest(Invalid):
    """A pull request let nothing of this in."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"pull request {number} let in nothing {what}: see `fluxbridge promotions`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A target with its place, and how it stands to it now; `changes` are what would be written."""

    place: AskedPlace
    target: Target
    answer: Passed | GateAnswers | Hold | Part | None = None

    @property
    def changes(self) -> Sequence[Change]:
        """What would be written, if it passes."""
        return self.answer.changes if isinstance(self.answer, Passed) else ()


@dataclass(slots=True)
class TargetFinder:
    """Finds the targets of one request; `notes` are what whoever asks should know.

    `draft` is that request without its targets.
    """

    asking: Asking
    draft: Request
    notes: list[str] = field(default_factory=list)

    def back(self, place: AskedPlace, *, to: str | None) -> Sequence[Found]:
        """Back to a tag, or to the last good one before: with its whole group, where that moves as one."""
        first = next(reversed(brought_by(place)), None)
        if place.together is Together.ANY:
            return [self._named(place, to, is_back=True) if to is not None else self._back_before(place)]
        if to is not None:
            return list(self._unit_of(place, to, is_back=True))
        if first is None or first.pull_request is None or first.tag != present_tag(place.fields):
            self.notes.append(f"only {short(place)}: what its group had before is not known")
            return [self._back_before(place)]
        return self.undo(place, first.pull_request)

    def undo(self, place: AskedPlace, number: int) -> Sequence[Found]:
        """Take back all that a pull request let in, in the stage of a policy that it let in."""
        with self.asking.database.transaction() as connection:
            rows = [row for row in promotions.let_in_by(connection, place.lane, number) if row.stage == place.stage]
        if place.name not in {row.policy for row in rows}:
            raise NotOfPullRequest(number, f"for {short(place)} in {place.stage}")
        places = {one.name: one for one in self.asking.places(place.lane, place.stage, {row.policy for row in rows})}
        since = [why for row in rows if (why := _came_since(places.get(row.policy), row)) is not None]
        if since:
            step = f"undo that first, or roll back by name with --to (`fluxbridge rollback {short(place)} --to …`)"
            raise UndoneWithOthers(number, since, step)
        return [self._before(places[row.policy], row) for row in rows]

    def forward(self, place: AskedPlace, tag: str) -> Sequence[Found]:
        """To a tag of the catalogue, with the whole group where that moves as one."""
        if place.together is Together.ANY:
            return [self._named(place, tag)]
        return list(self._unit_of(place, tag, is_back=False))

    def exactly(self, place: AskedPlace, tag: str, digest: str | None) -> Found:
        """To a tag with just this digest, where one is written."""
        return self._named(place, tag, digest=digest)

    def _back_before(self, place: AskedPlace) -> Found:
        """The last good one before what is there."""
        passed_over: list[str] = []
        for one in self._earlier(place):
            found, why = self._try(place, one)
            if why is None and found is not None:
                self.notes += [f"passed over: {told}" for told in passed_over]
                return found
            passed_over.append(f"{one.tag}: {why}")
        raise NothingBefore(place, passed_over)

    def _before(self, place: AskedPlace, row: PromotionRow) -> Found:
        """What a place had before a promotion: just that, for what it came with goes back to the same time."""
        one = next(iter(self._earlier(place, before=row)), None)
        if one is None:
            raise NothingBefore(place, ())
        found, why = self._try(place, one)
        if why is not None or found is None:
            raise CannotGoThere(place, one.tag, why or "nothing is known of it", self._instead(place, one.tag))
        return found

    def _earlier(self, place: AskedPlace, *, before: PromotionRow | None = None) -> Sequence[Earlier]:
        with self.asking.database.transaction() as connection:
            return list(earlier_tags(connection, place, before=before))[:_MOST_TRIED]

    def _try(self, place: AskedPlace, one: Earlier) -> tuple[Found | None, str | None]:
        """An earlier tag as a target, or why it is none."""
        if one.why_not is not None:
            return None, one.why_not
        asked, why = self._asked(place, one.tag, digest=one.digest)
        if why is not None:
            return None, why
        found = Found(place=asked, target=self._target(asked, one.tag, one.digest, is_back=True, was_there=True))
        return found, self._refusal(self._answered(found))

    def check(self, found: Found) -> Found:
        """The same with how it stands to its place. Raises CannotGoThere where a gate, or who else, refuses it."""
        answered, place, tag = self._answered(found), found.place, found.target.tag
        why = self._refusal(answered)
        if why is None:
            return answered
        step = None if self.draft.is_forced else "an admin may --force it past the gates of entering"
        instead = self._instead(place, tag) if self.draft.is_rollback else step
        raise CannotGoThere(place, tag, why, None if isinstance(answered.answer, Part) else instead)

    def _answered(self, found: Found) -> Found:
        member = with_asked_digest(found.place.member, found.target)
        return replace(found, answer=answer_of(found.place.rules, self.draft, member, found.target))

    def _refusal(self, found: Found) -> str | None:
        """Why a place can never have its target, as all is known now."""
        if isinstance(found.answer, Part):
            return found.answer.outcomes[0].reason
        is_refused = isinstance(found.answer, GateAnswers) and found.answer.verdict is Verdict.FAIL
        return found.answer.reason if is_refused and isinstance(found.answer, GateAnswers) else None

    def is_there(self, found: Found) -> bool:
        """Whether a place has its target already."""
        return is_target_there(found.place.policy, found.place.fields, self.draft, found.target)

    def _instead(self, place: AskedPlace, tag: str) -> str | None:
        """The next good tag to go back to."""
        for one in self._earlier(place):
            if one.tag != tag and self._try(place, one)[1] is None:
                return f"the next good one is {one.tag}"
        return None

    def _named(self, place: AskedPlace, tag: str, *, is_back: bool = False, digest: str | None = None) -> Found:
        """A tag that somebody names, with the digest that it had when it was there or is to have."""
        known = place.policy.tags.get(tag)
        before = next((row for row in place.history if row.tag == tag and row.state is PromotionState.MERGED), None)
        was_there = before is not None or any(row.from_tag == tag for row in place.history)
        if known is None and not was_there:
            meant = did_you_mean(tag, place.policy.tags)
            step = meant or (self._instead(place, "") if is_back else None)
            raise CannotGoThere(place, tag, "nothing is known of such a tag", step)
        order, present = order_in(place.policy, place.fields), present_tag(place.fields)
        if is_back and order is not None and present is not None and (order.precedence(tag, present) or 0) > 0:
            step = f"promote it: `fluxbridge promote {short(place)} {tag} --stage {place.stage}`"
            raise CannotGoThere(place, tag, f"that is no way back, it is above {present}", step)
        digest = before.digest if before is not None and is_back else digest
        asked, why = self._asked(place, tag, digest=digest)
        if why is not None:
            raise CannotGoThere(place, tag, why, self._instead(place, tag) if is_back else None)
        return Found(place=asked, target=self._target(asked, tag, digest, is_back=is_back, was_there=was_there))

    def _asked(self, place: AskedPlace, tag: str, *, digest: str | None) -> tuple[AskedPlace, str | None]:
        """The place with what the registry says of a tag now, or why that is none to go to."""
        known = place.policy.tags.get(tag)
        if known is not None and known.is_gone and known.doubt is None:
            return place, "it is gone from the registry"
        denial = self._denial(place, tag, digest)
        if denial is not None:
            return place, denied_words(denial)
        if place.image is None:
            return place, "the policy names no image"
        wanted = digest if digest is not None and writes_digest(place) else None
        told, silent = self.asking.digest(place.image, wanted or tag)
        if silent is not None:
            self.notes.append(f"the registry could not be asked for {tag}, so what it said last counts: {silent}")
            return place, None if known is not None else "nothing is known of it, and its registry does not answer"
        if told is None:
            return place, f"the registry has no {place.image}{f'@{wanted}' if wanted else f':{tag}'} any more"
        if digest is not None and wanted is None and told != digest:
            self.notes.append(f"{tag} names {told} now, and named {digest} when it was there")
        if known is None or wanted is None:
            known = known or TagState(tag=tag, digest=None, first_seen_at=self.asking.clock())
            place = with_tag(place, replace(known, digest=told, unshown=None))
        return place, None

    def _denial(self, place: AskedPlace, tag: str, digest: str | None) -> Hold | None:
        entry, now = place.member.entry, self.asking.clock()
        stops = Stops.on(entry.holds, stage=place.stage, policy=place.name, now=now, image=place.image)
        known = place.policy.tags.get(tag) or TagState(tag=tag, digest=digest, first_seen_at=now)
        return stops.denial_of(replace(known, digest=digest or known.digest))

    def _target(
        self, place: AskedPlace, tag: str, digest: str | None, *, is_back: bool, was_there: bool = False
    ) -> Target:
        """A tag with the digest to write beside it: the one that it had then, else the one that it has now."""
        order, ceiling = order_in(place.policy, place.fields), None
        if order is not None:
            ceiling = order.select({*place.policy.tags, tag}).tag
        known = place.policy.tags.get(tag)
        written = (digest or (known.digest if known is not None else None)) if writes_digest(place) else None
        selected = place.policy.selection.tag if place.policy.selection is not None else None
        is_below = tag != selected and (order is None or selected is None or (order.compare(tag, selected) or -1) < 0)
        with self.asking.database.transaction() as connection:
            taken_back = undone(connection, place)
        return Target(
            policy=place.name,
            image=place.policy.policy.image_text,
            tag=tag,
            digest=written,
            was_there=was_there,
            ceiling=ceiling,
            leaves_hold=is_back or is_below,
            undoes=taken_back if is_back or is_below else None,
        )

    def _unit_of(self, place: AskedPlace, tag: str, *, is_back: bool) -> Iterator[Found]:
        """All members of a group that moves as one, to one tag or to what one build published."""
        group = place.member.group
        members = [one for one in self.asking.places(place.lane, place.stage) if one.member.group == group]
        if place.together is Together.SAME_TAG:
            yield from (self._named(one, tag, is_back=is_back) for one in members)
            return
        published = self._published(place, tag)
        for one in members:
            its = sorted(published.get(str(one.image), ()))
            if one.name == place.name:
                yield self._named(one, tag, is_back=is_back)
            elif its:
                yield self._named(one, _one_of(one, its), is_back=is_back and _is_down(one, _one_of(one, its)))

    def _published(self, place: AskedPlace, tag: str) -> dict[str, frozenset[str]]:
        """What the build of a tag published, by repository. Raises CannotGoThere where no build is known."""
        known = place.policy.tags.get(tag)
        builds = counting_builds(as_written(place.policy, place.fields, known)) if known is not None else ()
        if not builds:
            raise CannotGoThere(place, tag, "its group moves by build, and no build is known of it", None)
        with self.asking.database.transaction() as connection:
            found = build_reports.published_by(connection, [builds[0].build_id])
        return {str(image): tags for image, tags in found.get(builds[0].build_id, {}).items()}


def _came_since(place: AskedPlace | None, row: PromotionRow) -> str | None:
    """What came into a place after a promotion, so that taking that back would take it back too."""
    if place is None:
        return f"{row.policy} has no field in {row.stage} any more"
    if row.state is PromotionState.REVERTED:
        return f"{row.tag} of {short(place)} was taken back already"
    brought = brought_by(place)
    newest = next(iter(brought), None)
    if newest is not None and row.id not in {one.id for one in brought}:
        by = f" by pull request {newest.pull_request}" if newest.pull_request is not None else " in Git"
        return f"{short(place)} has {newest.tag} since{by}"
    if present_tag(place.fields) != row.tag:
        return f"{short(place)} has {present_tag(place.fields)} in Git"
    return None


def _one_of(place: AskedPlace, tags: Sequence[str]) -> str:
    """Of the tags that a build published, the one that the stage had before, else the one that its policy prefers."""
    had = {row.tag for row in place.history}
    order = order_in(place.policy, place.fields)
    best = order.select(tags).tag if order is not None else None
    return next((one for one in tags if one in had), None) or best or tags[-1]


def _is_down(place: AskedPlace, tag: str) -> bool:
    order, present = order_in(place.policy, place.fields), present_tag(place.fields)
    return order is None or present is None or (order.precedence(tag, present) or 0) <= 0
