"""Judge a lane's policies: what each chooses, from what the database knows of its tags."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from app.core.flux.objects import Policy, PolicyName
from app.core.flux.tree import About, Field, Report
from app.core.images import ImageName
from app.core.policies.advance import StoredChoice, advance, choice_among, chosen_only
from app.core.policies.selection import CompiledPolicy, InvalidPolicy, Selection
from app.core.policies.spec import PolicySpec
from app.core.policies.stored import read_spec
from app.core.promotion.consent import MOST_NAMED, barred_by_changes, is_candidate
from app.core.promotion.downward import is_gone_from_git
from app.core.promotion.field_texts import tag_in
from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.tags import TagState
from app.core.promotion.text_images import other_images
from app.core.storms import accepting
from app.db import build_reports, catalogue, selections
from app.db.database import Database
from app.services.catalogue.gone_storms import SWEEP, doubted_registries, key_of
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.catalogue.tag_states import states_of_all, states_of_some
from app.services.heads.came_under import Texts, came_under, image_of, read_texts, reading_of, spec_hash
from app.services.heads.view import HeadView
from app.services.systems import Clock, Systems

_MOST_EVALUATIONS = 3
_AT_ONCE = 20
_NOT_LISTED = "catalogue not listed"
_UNKNOWN = Selection(
    tag=None, ranked=(), verdicts={}, is_tie=False, error=None, message="not worked out yet", is_whole=False
)


@dataclass(frozen=True, slots=True)
class ImageKnowledge:
    """What the database knows of one repository; None instead of it: it was never listed in full.

    `stored_choices` are by the hash of their spec, and `tags` then those that matter to them: what they
    choose and what is in Git. With None, `tags` are all that are known.
    """

    tags: Mapping[str, TagState]
    stored_choices: Mapping[str, StoredChoice] | None = None


Knowledge = Mapping[ImageName, ImageKnowledge | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges the policies of lanes."""

    database: Database
    systems: Systems
    ready: ReadyPolicies
    clock: Clock

    def by_stored_choice(self, view: HeadView, lane: str) -> tuple[PolicyState, ...]:
        """Every policy of a view with the tag that it chooses, which costs no look at the others.

        Rows are read in short transactions, and judged outside of them: on SQLite a transaction keeps webhooks
        waiting. What changes between two of them makes the lane due again.
        """
        knowledge = self._chosen(view)
        with self.database.transaction() as connection:
            texts = read_texts(connection, lane)
            doubts = read_doubts(connection, self.systems, knowledge)
        states = judge(view, self.systems, knowledge, texts, self.ready, doubts)
        unknown = {str(one.name) for one in states if one.selection == _UNKNOWN or _consents(one, view)}
        unknown |= self._seemingly_empty(states, knowledge)
        in_full = {one.name: one for one in (self.in_full(view, lane, unknown) if unknown else ())}
        return tuple(in_full.get(one.name, one) for one in states)

    def _seemingly_empty(self, states: Sequence[PolicyState], knowledge: Knowledge) -> set[str]:
        """The policies that choose nothing from an image of which change requests were built: is that why?"""
        found: set[str] = set()
        for one in states:
            image = self.systems.known_as(one.policy.image) if one.policy.image is not None else None
            known = knowledge.get(image) if image is not None else None
            if image is None or known is None or known.stored_choices is None or one.policy.spec is None:
                continue
            stored_choice = known.stored_choices.get(one.policy.spec.fingerprint())
            if stored_choice is not None and stored_choice.tag is None:
                with self.database.transaction() as connection:
                    if build_reports.are_of_change_requests(connection, image):
                        found.add(str(one.name))
        return found

    def in_full(self, view: HeadView, lane: str, names: Collection[str]) -> tuple[PolicyState, ...]:
        """These policies of a view with all their tags."""
        policies = tuple(one for one in view.tree.policies if str(one.name) in names)
        narrowed = replace(view, tree=replace(view.tree, policies=policies))
        knowledge = {image: self._all_of(image) for image in _by_image(narrowed, self.systems)}
        with self.database.transaction() as connection:
            texts = read_texts(connection, lane)
            doubts = read_doubts(connection, self.systems, knowledge)
        return judge(narrowed, self.systems, knowledge, texts, self.ready, doubts)

    def _all_of(self, image: ImageName) -> ImageKnowledge | None:
        with self.database.transaction() as connection:
            is_listed = catalogue.is_listed(connection, image)
        return ImageKnowledge(states_of_all(self.database, image)) if is_listed else None

    def _chosen(self, view: HeadView) -> Knowledge:
        """What stored choices tell of each repository, and the tags that matter to them."""
        by_image, in_git = _by_image(view, self.systems), _in_git(view)
        images, found = list(by_image), dict[ImageName, ImageKnowledge | None]()
        for start in range(0, len(images), _AT_ONCE):
            some = {image: by_image[image] for image in images[start : start + _AT_ONCE]}
            missing = self._unstored(some)
            for image, specs in missing.items():
                self.evaluate(image, specs)
            present = {image: {tag for one in its for tag in in_git[one.name]} for image, its in some.items()}
            with self.database.transaction() as connection:
                found |= _knowledge(connection, present)
        return found

    def _unstored(self, named: Mapping[ImageName, Sequence[Policy]]) -> Mapping[ImageName, Sequence[PolicySpec]]:
        """The specs of policies whose choice among the tags of a repository is to be worked out."""
        with self.database.transaction() as connection:
            stored = _stored_choices(connection, catalogue.listed_among(connection, named))
        usable = {image: [one.spec for one in its if self._is_usable(one)] for image, its in named.items()}
        missing = {
            image: {one.fingerprint(): one for one in usable[image] if one is not None and one.fingerprint() not in its}
            for image, its in stored.items()
        }
        return {image: list(specs.values()) for image, specs in missing.items() if specs}

    def work_out(self, image: ImageName) -> None:
        """Work out those stored choices from an image that are to be worked out, as where the chosen tag is gone."""
        with self.database.transaction() as connection:
            stored = [row.spec for row in selections.of_image(connection, image) if row.stored_choice is None]
        specs = [spec for text in stored if (spec := read_spec(json.loads(text))) is not None and self._is_ready(spec)]
        if specs:
            self.evaluate(image, specs)

    def _is_ready(self, spec: PolicySpec) -> bool:
        try:
            self.ready.of(spec)
        except InvalidPolicy:
            return False  # an older version took it
        return True

    def evaluate(self, image: ImageName, specs: Sequence[PolicySpec]) -> None:
        """Work out in full what specs choose, and keep it if nothing was told of the image's tags meanwhile.

        Where that happens again and again nothing is kept, and the run looks at all tags by itself.
        """
        for _ in range(_MOST_EVALUATIONS):
            with self.database.transaction() as connection:
                version = catalogue.version_of(connection, image)
            candidates = [tag for tag, state in states_of_all(self.database, image).items() if is_candidate(state)]
            stored_choices = [(spec, choice_among(self.ready.of(spec), candidates)) for spec in specs]
            with self.database.transaction() as connection:
                catalogue.lock(connection, [image], self.clock())
                if catalogue.version_of(connection, image) == version + 1:
                    selections.drop_foreign(connection, image)
                    for spec, stored_choice in stored_choices:
                        selections.store(connection, image, spec, stored_choice)
                    return

    def _is_usable(self, policy: Policy) -> bool:
        return _compile(policy, self.ready)[0] is not None


@dataclass(frozen=True, slots=True)
class Doubts:
    """What stands in the way of the registries' word: those that are doubted, and why a repository is not listed."""

    registries: AbstractSet[str]
    problems: Mapping[ImageName, str]


def read_doubts(connection: Connection, systems: Systems, knowledge: Knowledge) -> Doubts:
    """Read them for the repositories that a view names."""
    unlisted = [image for image, known in knowledge.items() if known is None]
    rows = {image: catalogue.find_repository(connection, image) for image in unlisted}
    problems = {image: row.problem for image, row in rows.items() if row is not None and row.problem is not None}
    return Doubts(doubted_registries(connection, systems.registries), problems)


def judge(  # noqa: PLR0913, PLR0917 (all that decides)
    view: HeadView, systems: Systems, knowledge: Knowledge, texts: Texts, ready: ReadyPolicies, doubts: Doubts
) -> tuple[PolicyState, ...]:
    """Every policy of a view with its fields, its tags and its selection."""
    by_policy: dict[str, list[tuple[Field, str]]] = defaultdict(list)
    for one, stage in view.staged:
        by_policy[str(one.policy)].append((one, stage))
    refused: dict[str, dict[str, str]] = defaultdict(dict)
    for kept_back, stage in view.refused:
        refused[str(kept_back.policy)].setdefault(stage, str(kept_back))
    known = _Known(systems, knowledge, ready, doubts, reading_of(view.rules))
    near = _near_misses(view)
    states: list[PolicyState] = []
    for policy in view.tree.policies:
        name = str(policy.name)
        staged = by_policy.get(name, [])
        files = dict.fromkeys(one.file for one, _ in staged)
        states.append(
            replace(
                _judge_policy(policy, staged, view, texts, known),
                refused=refused.get(name, {}),
                repository=systems.known_as(policy.image) if policy.image is not None else None,
                near_misses=tuple(report for file in files for report in near.get(file, ())),
            )
        )
    return tuple(states)


def _near_misses(view: HeadView) -> Mapping[str, Sequence[Report]]:
    """What looks like a marker and sets nothing, by file."""
    found: dict[str, list[Report]] = defaultdict(list)
    for report in view.tree.reports:
        if report.about in (About.MARKER, About.POLICY_OF_MARKER):
            found[report.file].append(report)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of images; nothing that is in Git counts as gone from the registries that are doubted."""

    systems: Systems
    images: Knowledge
    ready: ReadyPolicies
    doubts: Doubts
    reading: str

    def doubt_of(self, image: ImageName) -> str | None:
        """Why tags in Git count as there although they are gone; None: they are gone."""
        if image.registry not in self.doubts.registries:
            return None
        command = accepting(SWEEP, key_of(image.registry))
        return f"many tags are gone from {image.registry} at once: `{command}` says that they are"

    def unlisted(self, image: ImageName) -> str:
        """That a repository was never listed in full, and what stood in the way the last time."""
        problem = self.doubts.problems.get(image)
        return f"{_NOT_LISTED}: {problem}" if problem else _NOT_LISTED


def _by_image(view: HeadView, systems: Systems) -> Mapping[ImageName, Sequence[Policy]]:
    """The policies of a view by the repository that they choose from, where its registry is configured."""
    found: dict[ImageName, list[Policy]] = defaultdict(list)
    for policy in view.tree.policies:
        if policy.image is not None and systems.registry_of(systems.known_as(policy.image)) is not None:
            found[systems.known_as(policy.image)].append(policy)
    return dict(sorted(found.items()))


def _stored_choices(
    connection: Connection, images: Iterable[ImageName]
) -> Mapping[ImageName, Mapping[str, StoredChoice]]:
    found: dict[ImageName, dict[str, StoredChoice]] = {image: {} for image in images}
    for row in selections.of_images(connection, found):
        if row.stored_choice is not None:
            found[ImageName.of_repository(row.image)][row.spec_hash] = row.stored_choice
    return found


def _in_git(view: HeadView) -> Mapping[PolicyName, AbstractSet[str]]:
    """The tags that the fields of each policy have."""
    found: dict[PolicyName, set[str]] = defaultdict(set)
    for one, _ in view.staged:
        tag = tag_in(one.marked.part, one.marked.text)
        found[one.policy] |= {tag} if tag is not None else set()
    return found


def _knowledge(connection: Connection, in_git: Mapping[ImageName, AbstractSet[str]]) -> Knowledge:
    """What is known of some repositories, of which these tags are in Git."""
    stored = _stored_choices(connection, catalogue.listed_among(connection, in_git))
    wanted = {
        image: in_git[image] | {one.tag for one in its.values() if one.tag is not None} for image, its in stored.items()
    }
    states = states_of_some(connection, wanted, is_history_wanted=True)
    return {image: ImageKnowledge(states[image], stored[image]) if image in stored else None for image in in_git}


def _judge_policy(
    policy: Policy, staged: Sequence[tuple[Field, str]], view: HeadView, texts: Texts, known: _Known
) -> PolicyState:
    compiled, problem = _compile(policy, known.ready)
    states = _field_states(policy, staged, texts, known, is_usable=compiled is not None)
    if compiled is None or policy.image is None or policy.spec is None:
        return PolicyState(policy=policy, problem=problem, fields=states)
    image = known.systems.known_as(policy.image)
    if known.systems.registry_of(image) is None:
        return PolicyState(policy=policy, compiled=compiled, waits_for="registry not configured", fields=states)
    knowledge = known.images[image]
    if knowledge is None:
        waits = known.unlisted(image)
        return PolicyState(policy=policy, compiled=compiled, waits_for=waits, is_unlisted=True, fields=states)
    tags = dict(knowledge.tags)
    in_git = {one.own_tag for one in states if one.own_tag is not None}
    for tag in in_git - tags.keys():
        tags[tag] = TagState(tag=tag, digest=None, first_seen_at=view.committed_at)
    for tag in in_git:
        if is_gone_from_git(tag, tags):
            tags[tag] = replace(tags[tag], doubt=known.doubt_of(image))
    # What is in Git is a candidate whoever built it.
    present = {tag for tag in in_git if not is_gone_from_git(tag, tags)}
    state = PolicyState(policy=policy, compiled=compiled, tags=tags, fields=states)
    if knowledge.stored_choices is not None:
        return replace(
            state, selection=_choice(compiled, knowledge.stored_choices.get(policy.spec.fingerprint()), present)
        )
    return _select_among_all(state, compiled, present, view)


def _select_among_all(state: PolicyState, compiled: CompiledPolicy, present: set[str], view: HeadView) -> PolicyState:
    """What a policy selects, with and without the tags of change requests, and whether it matches these only."""
    candidates = {tag for tag, one in state.tags.items() if is_candidate(one)}
    barred = barred_by_changes(state.tags)
    is_empty = bool(barred) and compiled.select(candidates).tag is None
    return replace(
        state,
        selection=compiled.select(candidates | present),
        with_changes=compiled.select(candidates | barred | present) if _consents(state, view) else None,
        barred_tags=compiled.select(barred).ranked[: MOST_NAMED + 1] if is_empty else (),
    )


def _consents(state: PolicyState, view: HeadView) -> bool:
    """Whether tags of change requests may enter one of the stages of a policy."""
    stages = {one.stage for one in state.fields}
    return any(view.rules.takes_change_requests(one, state.name) for one in view.rules.stages if one.name in stages)


def _choice(compiled: CompiledPolicy, stored_choice: StoredChoice | None, present: Collection[str]) -> Selection:
    """The stored choice, with the tags in Git among the candidates."""
    for tag in sorted(present):
        stored_choice = None if stored_choice is None else advance(compiled, stored_choice, tag)
    return _UNKNOWN if stored_choice is None else chosen_only(compiled, stored_choice)


def _compile(policy: Policy, ready: ReadyPolicies) -> tuple[CompiledPolicy | None, str | None]:
    if policy.problem is not None or policy.spec is None:
        return None, policy.problem or "the policy says nothing to choose by"
    try:
        return ready.of(policy.spec), None
    except InvalidPolicy as error:
        return None, str(error)


def _field_states(
    policy: Policy, staged: Sequence[tuple[Field, str]], texts: Texts, known: _Known, *, is_usable: bool
) -> tuple[FieldState, ...]:
    present = spec_hash(policy, known.reading)
    came = {one: came_under(present, one, texts, is_usable=is_usable) for one, _ in staged}
    before = {one: image_of(spec) for one, spec in came.items() if spec is not None}
    others = other_images(list(came), policy, came_under=before, known_as=known.systems.known_as)
    return tuple(
        FieldState(
            one, stage, is_same_spec=came[one] in {None, present}, came_under=came[one], other_image=others.get(one)
        )
        for one, stage in staged
    )
