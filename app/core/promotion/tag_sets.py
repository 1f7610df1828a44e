"""Sets: the tags that the members of a group may move to together, in the order in which they are looked at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.promotion.gates.answers import Verdict, alone
from app.core.promotion.gates.build import unreported
from app.core.promotion.gates.evidence import Evidence
from app.core.promotion.plans import Standing
from app.core.promotion.seats import Answer, Seat
from app.core.promotion.tags import BuildReport

Published = Mapping[str, Mapping[str, frozenset[str]]]
"""By build and policy the tags that it published."""

_WEIGHT = (
    Standing.STUCK,
    Standing.HELD,
    Standing.REFUSED,
    Standing.WAITING,
    Standing.PROPOSED,
    Standing.CURRENT,
)


@dataclass(frozen=True, slots=True)
class TagSet:
    """A tag for each member that moves or stays with it; `build` is what published them all, where that counts."""

    tags: Mapping[str, str]
    build: BuildReport | None = None
    needs_build: bool = False


@dataclass(frozen=True, slots=True)
class AskedSet:
    """A set with how each of its members stands to it. What weighs most decides: one that fails it fails it for all."""

    tags: Mapping[str, str]
    answers: Mapping[str, Answer]
    build: BuildReport | None = None

    @property
    def standing(self) -> Standing:
        """How the set stands: passing where something moves and nothing is against it, current where all is there."""
        met = {one.standing for one in self.answers.values()}
        return next(one for one in _WEIGHT if one in met)

    @property
    def deciding(self) -> tuple[Answer, ...]:
        """The answers that decide."""
        return tuple(one for one in self.answers.values() if one.standing is self.standing)

    @property
    def moves(self) -> Mapping[str, str]:
        """What it moves, by policy."""
        return {name: self.tags[name] for name, one in self.answers.items() if one.standing is not Standing.CURRENT}


@dataclass(frozen=True, slots=True)
class WalkedSets:
    """The first set that passes, and all that were looked at; `needs_all`: more has to be known of members first."""

    passed: AskedSet | None = None
    met: tuple[AskedSet, ...] = ()
    needs_all: bool = False


def same_tag_sets(seats: Sequence[Seat]) -> Iterator[TagSet]:
    """One tag for all, in the order of the first member; before that what only others have, which none can move to."""
    first, *others = seats
    rest = [tag for tag in dict.fromkeys(tag for seat in others for tag in seat.tags) if tag not in first.tags]
    # What the first one has may be below one that is held, where its own tags end.
    there = [tag for tag in rest if first.has(tag)]
    for tag in (*(one for one in rest if one not in there), *first.tags, *there):
        yield TagSet({seat.name: tag for seat in seats})


def same_build_sets(seats: Sequence[Seat], published: Published) -> Iterator[TagSet]:
    """What each build published for those members that it did publish, in the order of these; the others stay."""
    by_build = {seat.name: _best_by_build(seat) for seat in seats}
    seen: set[str] = set()
    for seat in seats:
        for tag in seat.tags:
            builds = seat.builds(tag)
            if not builds:
                yield TagSet({seat.name: tag}, needs_build=True)
            for build in builds:
                if build.build_id not in seen:
                    seen.add(build.build_id)
                    yield _of_build(build, seats, by_build, published)


def _best_by_build(seat: Seat) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for tag in seat.tags:
        for build in seat.builds(tag):
            found.setdefault(build.build_id, tag)
    return found


def _of_build(
    build: BuildReport, seats: Sequence[Seat], by_build: Mapping[str, Mapping[str, str]], published: Published
) -> TagSet:
    """A member that came by a later build to a tag beyond this one's stays there: so it would, one after the other."""
    told = published.get(build.build_id, {})
    tags = {
        seat.name: by_build[seat.name].get(build.build_id) or _told_tag(seat, told[seat.name])
        for seat in seats
        if build.build_id in by_build[seat.name] or told.get(seat.name)
    }
    beyond = [
        seat
        for seat in seats
        if seat.name in tags and build.build_id not in by_build[seat.name] and seat.is_beyond(told[seat.name])
    ]
    staying = {seat.name for seat in beyond} | {seat.name for seat in seats if seat.has(tags.get(seat.name, ""))}
    moving = tags.keys() - staying
    if all(_came_without(seat, moving, published) for seat in beyond):
        tags |= {seat.name: seat.present for seat in beyond if seat.present is not None}
    return TagSet(tags, build)


def _told_tag(seat: Seat, told: frozenset[str]) -> str:
    """Of what a build published of a member, and the member may not come to, the tag that tells most."""
    there = [tag for tag in sorted(told) if seat.has(tag)]
    held = [tag for tag in sorted(told) if tag in seat.behind]
    return (there or held or sorted(told))[-1]


def _came_without(seat: Seat, moving: set[str], published: Published) -> bool:
    """Whether what a member has is of builds, known ones, that published nothing of those that would move."""
    builds = seat.builds(seat.present or "")
    return bool(builds) and not any(moving & published.get(one.build_id, {}).keys() for one in builds)


def walk_sets(seats: Sequence[Seat], sets: Sequence[TagSet]) -> WalkedSets:
    """Look at sets until one passes, and on at those that have nothing to do with it.

    A set that waits or is held, or passed, bars those that would move any that it moves to a lower tag or the same.
    """
    passed: AskedSet | None = None
    met: list[AskedSet] = []
    floors: dict[str, int] = {}
    places = {seat.name: {tag: place for place, tag in enumerate(seat.tags)} for seat in seats}
    for one in sets:
        at = {
            seat.name: places[seat.name].get(tag, len(seat.tags))
            for seat in seats
            if (tag := one.tags.get(seat.name)) is not None and not seat.has(tag)
        }
        if any(place >= floors[name] for name, place in at.items() if name in floors):
            continue
        asked = ask_set(seats, one)
        if passed is None and any(answer.needs_all for answer in asked.answers.values()):
            return WalkedSets(needs_all=True)
        met.append(asked)
        if asked.standing is Standing.REFUSED:
            continue
        floors |= at
        if asked.standing is Standing.PROPOSED and passed is None:
            passed = asked
    needs_all = passed is None and any(not seat.is_whole and seat.name not in floors for seat in seats)
    return WalkedSets(passed, tuple(met), needs_all=needs_all)


def ask_set(seats: Sequence[Seat], one: TagSet) -> AskedSet:
    """Ask each member of a set about its tag; a release of which no build is known waits for one, as its gate would."""
    answers = {seat.name: seat.ask(one.tags[seat.name]) for seat in seats if seat.name in one.tags}
    if one.needs_build:
        [seat] = [seat for seat in seats if seat.name in one.tags]
        answers = {seat.name: _without_build(seat, answers[seat.name])}
    return AskedSet(one.tags, answers, one.build)


def _without_build(seat: Seat, said: Answer) -> Answer:
    written, entry = seat.written(said.tag), seat.member.entry
    if said.standing is not Standing.PROPOSED or written is None:
        return said
    answer = unreported(Evidence(tag=written, build_within=entry.build_within), entry.now)
    standing = Standing.WAITING if answer.verdict is Verdict.WAIT else Standing.REFUSED
    return replace(
        said,
        standing=standing,
        reason=answer.reason,
        passed=None,
        answers=alone("build", answer),
        look_at=answer.look_at,
    )
