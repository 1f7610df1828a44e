"""Interpret a kept delivery: write its facts down and mark the lanes that they concern, in one transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import unquote

from sqlalchemy import Connection

from app.core.errors import Conflict, Invalid, Refused, Unavailable
from app.core.facts import (
    Artifact,
    BranchMoved,
    BuildFinished,
    ImagePushed,
    PullRequestChanged,
    RevisionApplied,
    TagDeleted,
)
from app.core.images import ImageName, is_tag
from app.core.promotion.branches import is_under
from app.db import builds, catalogue, deliveries, lanes, pushed_heads, revisions, selections
from app.db.database import Database
from app.db.deliveries import ClaimedDelivery, DeliveryState
from app.senders import SENDERS
from app.senders.sender import WebhookRequest
from app.services.gather import Gathered, Looked, gather
from app.services.keep_selections import keep_selections
from app.services.ready_policies import ReadyPolicies
from app.services.systems import Clock, ConfigRepo, Source, Systems

_MOST_TRIES = 8
_LONGEST_DELAY = timedelta(minutes=5)


class LostDelivery(Conflict):
    """Another worker has taken a delivery over."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"the delivery {delivery_id} was taken over by another worker; its facts are theirs to write")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Turns deliveries into facts."""

    database: Database
    systems: Systems
    clock: Clock
    on_lanes_due: Callable[[], None]
    ready: ReadyPolicies

    def interpret(self, claim: ClaimedDelivery) -> None:
        """Carry one claimed delivery to its end, or put it off; what it says twice is one fact."""
        try:
            self._interpret(claim)
        except LostDelivery:
            # Who took it over writes the same facts, or newer ones: ours are rolled back.
            return
        except Invalid as error:
            self._finish(claim, DeliveryState.UNUSABLE, str(error))
        except (Unavailable, Refused) as error:
            self._put_off(claim, str(error), counts=False)
        except Exception as error:
            self._put_off(claim, f"{type(error).__name__} while interpreting", counts=True)
            raise

    def _interpret(self, claim: ClaimedDelivery) -> None:
        source = self.systems.sources.get(claim.source)
        if source is None:
            self._finish(claim, DeliveryState.UNUSABLE, f"the source {claim.source} is no longer configured")
            return
        if "fluxbridge-truncated" in claim.headers:
            self._finish(
                claim, DeliveryState.UNUSABLE, f"larger than the limit: {claim.headers['fluxbridge-truncated']}"
            )
            return
        request = WebhookRequest(headers=claim.headers, body=claim.body, query={})
        parsed = SENDERS[source.kind].parse(request, source.origin)
        now = self.clock()
        gathered = gather(parsed.facts, source, self.systems, received_at=claim.received_at, now=now)
        with self.database.transaction() as connection:
            writer = _Writer(connection, self.systems, source, claim.id, now)
            keys = writer.write(gathered)
            for image, tags in sorted(writer.touched.items()):
                keep_selections(connection, self.ready, image, tags)
            timing = self.systems.timing
            lanes.raise_wanted(connection, sorted(keys), now=now, quiet=timing.quiet, max_wait=timing.max_wait)
            said = _outcome(gathered, (*parsed.ignored, *parsed.problems), keys)
            state = DeliveryState.UNUSABLE if parsed.problems and not parsed.facts else DeliveryState.DONE
            if not deliveries.finish(connection, claim, state=state, outcome=said, now=now):
                raise LostDelivery(claim.id)
        if keys:
            self.on_lanes_due()

    def _finish(self, claim: ClaimedDelivery, state: DeliveryState, outcome: str) -> None:
        with self.database.transaction() as connection:
            deliveries.finish(connection, claim, state=state, outcome=outcome[:2000], now=self.clock())

    def _put_off(self, claim: ClaimedDelivery, error: str, *, counts: bool) -> None:
        now = self.clock()
        with self.database.transaction() as connection:
            if counts and claim.attempts + 1 >= _MOST_TRIES:
                deliveries.finish(connection, claim, state=DeliveryState.DEAD, outcome=error[:2000], now=now)
                return
            delay = min(timedelta(seconds=2 ** min(claim.tries, 9)), _LONGEST_DELAY)
            deliveries.postpone(connection, claim, due_at=now + delay, error=error[:2000], counts=counts)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes one delivery's facts within one transaction; collects the lanes and the tags that they concern."""

    connection: Connection
    systems: Systems
    source: Source
    delivery_id: str
    now: datetime
    touched: dict[ImageName, set[str]] = field(default_factory=lambda: defaultdict(set))

    def write(self, gathered: Gathered) -> set[str]:
        keys: set[str] = set()
        named = [*self._builds(fact for fact in gathered.facts if isinstance(fact, BuildFinished))]
        images = {fact.image for fact in gathered.facts if isinstance(fact, ImagePushed | TagDeleted)}
        images |= {look.image for look in gathered.looked} | {artifact.image for artifact in named}
        catalogue.lock(self.connection, images, self.now)
        for artifact in named:
            self._touch_build(artifact)
        for fact in gathered.facts:
            match fact:
                case BuildFinished():
                    self._build(fact)
                case ImagePushed():
                    self._push(fact)
                case TagDeleted():
                    self._deletion(fact)
                case BranchMoved():
                    keys |= self._branch(fact)
                case PullRequestChanged():
                    keys |= self._pull_request(fact)
                case RevisionApplied():
                    keys |= self._revision(fact)
        for look in gathered.looked:
            self._note_look(look)
        # All of them, also where a later report of a build takes back what it said of an image that it names no more.
        return keys.union(*map(self._lanes_of, self.touched))

    def _note_look(self, look: Looked) -> None:
        image, tag = look.image, look.tag
        self.touched[image].add(tag)
        if look.digest is not None:
            catalogue.set_digest(self.connection, image, tag, look.digest, looked_at=self.now)
        else:
            catalogue.note_missing(self.connection, image, tag, is_deleted=look.is_deletion, looked_at=self.now)

    def _builds(self, told: Iterable[BuildFinished]) -> Iterator[Artifact]:
        """Record builds, in an order that two transactions share; gives all that they named, now or before."""
        for build in sorted(told, key=lambda one: (one.controller, one.job, one.number)):
            builds.record(
                self.connection,
                build,
                is_ours=self._is_ours(build),
                source=self.source.name,
                delivery_id=self.delivery_id,
                now=self.now,
            )
            yield from builds.named_by(self.connection, build)

    def _touch_build(self, artifact: Artifact) -> None:
        """What a build says counts for the tag that it named and for every tag of that digest."""
        self.touched[artifact.image].add(artifact.tag)
        if artifact.digest is not None:
            self.touched[artifact.image] |= set(catalogue.tags_with(self.connection, artifact.image, [artifact.digest]))

    def _build(self, build: BuildFinished) -> None:
        for artifact in build.artifacts:
            self._record_push(artifact.image, artifact.tag, artifact.digest, at=build.finished_at)

    def _push(self, push: ImagePushed) -> None:
        self._record_push(push.image, push.tag, push.digest, at=push.at)

    def _record_push(self, image: ImageName, tag: str, digest: str | None, *, at: datetime | None) -> None:
        if is_tag(tag):
            self.touched[image].add(tag)
            catalogue.record_push(
                self.connection,
                image,
                tag,
                digest,
                at=at,
                now=self.now,
                source=self.source.name,
                delivery_id=self.delivery_id,
            )

    def _deletion(self, deletion: TagDeleted) -> None:
        image = deletion.image
        if deletion.digest is None:
            selections.forget(self.connection, image)
        else:
            self.touched[image] |= set(catalogue.tags_with(self.connection, image, [deletion.digest]))
        catalogue.delete(self.connection, image, digest=deletion.digest)
        catalogue.want_listing(self.connection, image, self.now)
        self.touched.setdefault(image, set())

    def _branch(self, moved: BranchMoved) -> set[str]:
        keys: set[str] = set()
        for repo in self._repos_at(moved.repository):
            if moved.branch in repo.branches:
                keys.add(lanes.key_of(repo.name, moved.branch))
            elif is_under(repo.prefix, moved.branch):
                keys |= {lanes.key_of(repo.name, branch) for branch in repo.branches}
        return keys

    def _pull_request(self, changed: PullRequestChanged) -> set[str]:
        return {
            lanes.key_of(repo.name, changed.base_branch)
            for repo in self._repos_at(changed.repository)
            if changed.base_branch in repo.branches
        }

    def _revision(self, applied: RevisionApplied) -> set[str]:
        repo = self.systems.config_repos.get(self.source.config_repo or "")
        if repo is None:
            return set()
        is_new = revisions.note(self.connection, applied, repo=repo.name, root=self.source.root, received_at=self.now)
        return {lanes.key_of(repo.name, branch) for branch in repo.branches} if is_new else set()

    def _repos_at(self, forge_repository: str) -> Iterable[ConfigRepo]:
        wanted = forge_repository.lower()
        return (repo for repo in self.systems.config_repos.values() if repo.forge_repository.lower() == wanted)

    def _lanes_of(self, image: ImageName) -> set[str]:
        return set(lanes.lanes_of_image(self.connection, image))

    def _is_ours(self, build: BuildFinished) -> bool:
        """Tell a build of our own branch or commit: Jenkins and we must not feed each other."""
        branches = {build.branch or "", unquote(build.job.rsplit("/", 1)[-1])}
        prefixes = [repo.prefix for repo in self.systems.config_repos.values()]
        if any(is_under(prefix, branch) for prefix in prefixes for branch in branches):
            return True
        return build.commit is not None and pushed_heads.is_known(self.connection, build.commit)


def _outcome(gathered: Gathered, ignored: Iterable[str], keys: set[str]) -> str:
    told = [type(fact).__name__ for fact in gathered.facts]
    said = [f"facts: {', '.join(told)}" if told else "no facts"]
    said += [f"lanes: {', '.join(sorted(keys))}"] if keys else []
    left_out = [*gathered.ignored, *ignored]
    said += [f"ignored: {'; '.join(left_out)}"] if left_out else []
    return ". ".join(said)[:2000]
