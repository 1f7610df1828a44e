"""Promote what another stage runs: for each policy of a stage the tag and digest that its image has in the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.errors import Invalid
from app.core.promotion.present import present_tag
from app.services.people.asked_places import AskedPlace, Asking, NothingSo
from app.services.people.earlier_tags import present_digest, short
from app.services.people.request_targets import Found, TargetFinder
from app.services.reading.cluster_states import ClusterStateReader


class SeveralRun(Invalid):
    """It is not clear what a stage runs of an image."""

    def __init__(self, image: str, stage: str, tags: Sequence[str]) -> None:
        super().__init__(
            f"{stage} runs several tags of {image} ({', '.join(tags)[:500]}): promote its policies by name, one by one"
        )


class NothingToPromote(Invalid):
    """A stage runs nothing that another one could have."""

    def __init__(self, from_stage: str, to_stage: str) -> None:
        super().__init__(f"{from_stage} runs nothing of an image that {to_stage} has a policy for")


@dataclass(frozen=True, slots=True)
class _Runs:
    tag: str
    digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTargets:
    """Finds what one stage is to have of what another one runs."""

    asking: Asking
    finder: TargetFinder

    def of(self, lane: str, *, from_stage: str, to_stage: str, group: str | None) -> Sequence[Found]:
        """Targets for the policies of a stage, those of one group or all. Raises NothingToPromote, SeveralRun."""
        places = self.asking.places(lane, to_stage)
        if group is not None:
            known = sorted({one.member.group for one in places})
            places = [one for one in places if one.member.group == group]
            if not places:
                raise NothingSo(f"group in {to_stage}", group, known)
        running = self._running(self.asking.places(lane, from_stage), from_stage)
        found = [(one, running[str(one.image)]) for one in places if str(one.image) in running]
        for one in places:
            if str(one.image) not in running:
                self.finder.notes.append(f"left out: {short(one)}, of whose image {from_stage} runs nothing")
        if not found:
            raise NothingToPromote(from_stage, to_stage)
        return [self.finder.exactly(place, runs.tag, runs.digest) for place, runs in found]

    def _running(self, places: Sequence[AskedPlace], stage: str) -> Mapping[str, _Runs]:
        """What a stage runs, by repository: what its clusters tell, else what Git has there."""
        found: dict[str, set[_Runs]] = {}
        for place in places:
            runs = self._runs(place)
            if runs is not None and place.image is not None:
                found.setdefault(str(place.image), set()).add(runs)
        for image, several in found.items():
            if len(several) > 1:
                raise SeveralRun(image, stage, sorted(one.tag for one in several))
        return {image: next(iter(one)) for image, one in found.items()}

    def _runs(self, place: AskedPlace) -> _Runs | None:
        newest = place.history[0] if place.history else None
        systems, now = self.asking.systems, self.asking.clock()
        with self.asking.database.transaction() as connection:
            reader = ClusterStateReader(connection, now, systems.timing.applied_within)
            views = reader.of_stage(place.lane, stage=place.stage, policy=place.name, came=newest)
        told = sorted({one.runs for one in views if one.runs is not None})
        if len(told) > 1:
            raise SeveralRun(str(place.image), place.stage, told)
        there = present_tag(place.fields)
        tag = told[0] if told else there
        if tag is None:
            return None
        digest = present_digest(place) if tag == there else None
        its_own = next((row.digest for row in place.history if row.tag == tag), None)
        known = place.policy.tags.get(tag)
        return _Runs(tag, digest or its_own or (known.digest if known is not None else None))
