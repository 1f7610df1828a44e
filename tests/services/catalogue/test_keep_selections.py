"""The stored choice of a policy is what a full evaluation chooses, whatever is told of tags in whichever order."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.policies.advance import ENGINE, choice_among
from app.core.policies.spec import Alphabetical, Numerical, PolicySpec, SemVer, TagFilter
from app.core.promotion.consent import is_candidate
from app.db import builds, catalogue, selections
from app.db.database import Database
from app.services.catalogue.keep_selections import keep_selections
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.catalogue.tag_states import states_of_all
from app.services.heads.judge import Judge
from app.services.systems import Systems
from tests.db.facts import record_listing, record_push
from tests.extent import EXAMPLES
from tests.services.lanes import NOW

SPECS = (
    PolicySpec(SemVer(">=0.0.1-0")),
    PolicySpec(SemVer("1.x"), exclusion_list=("-rc",)),
    PolicySpec(Alphabetical("desc")),
    PolicySpec(Numerical(), TagFilter("^main-[a-f0-9]+-(?P<ts>[0-9]+)$", "$ts")),
    PolicySpec(Numerical(), TagFilter("^n-(?P<n>.+)$", "$n")),
)
TAGS = ("1.0.0", "v1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0", "main-aa-1", "main-bb-1", "main-cc-2", "n-1", "n-x", "n-nan")
DIGESTS = ("sha256:" + "a" * 64, "sha256:" + "b" * 64)
_numbers = count(1)


@dataclass
class Image:
    """One repository of its own, with the choices that are kept of it."""

    database: Database
    ready: ReadyPolicies = field(default_factory=ReadyPolicies)
    image: ImageName = field(default_factory=lambda: ImageName("registry.acme.example", f"team/{next(_numbers)}"))
    build_number: int = 0

    def tell(self, kind: str, tag: str, digest: str) -> None:
        """One more fact; `kind` is one of KINDS."""
        with self.database.transaction() as connection:
            catalogue.lock(connection, [self.image], NOW)
            touched = {tag}
            match kind:
                case "push":
                    record_push(connection, self.image, tag, digest, at=None, now=NOW, source="r", delivery_id=None)
                case "look":
                    catalogue.set_digest(connection, self.image, tag, digest, asked_at=NOW)
                case "delete":
                    catalogue.note_missing(connection, self.image, tag, is_deleted=True, asked_at=NOW)
                case "list":
                    present = [one for one in TAGS if one != tag]
                    touched = set(record_listing(connection, self.image, present, NOW))
                case _:
                    self.build_number += 1
                    told = _build(self.image, tag, digest, number=self.build_number)
                    is_ours = kind == "barred build"
                    builds.record(connection, told, is_ours=is_ours, source="ci", delivery_id=None, now=NOW)
                    touched |= set(catalogue.tags_with(connection, self.image, [digest]))
            keep_selections(connection, self.ready, self.image, touched)

    def evaluate(self) -> None:
        """Work every choice out in full, as a lane run does for those that are not stored."""
        judge = Judge(database=self.database, systems=Systems(), ready=self.ready, clock=lambda: NOW)
        judge.evaluate(self.image, SPECS)

    def stored(self) -> dict[str, object]:
        """The choices as they are kept."""
        with self.database.transaction() as connection:
            return {row.spec_hash: row.stored_choice for row in selections.of_image(connection, self.image)}

    def in_full(self) -> dict[str, object]:
        """The choices as a full evaluation makes them."""
        states = states_of_all(self.database, self.image)
        tags = [tag for tag, state in states.items() if is_candidate(state)]
        return {spec.fingerprint(): choice_among(ReadyPolicies().of(spec), tags) for spec in SPECS}


KINDS = ("push", "look", "delete", "list", "build", "barred build")
_facts = st.tuples(st.sampled_from(KINDS), st.sampled_from(TAGS), st.sampled_from(DIGESTS))


def _build(image: ImageName, tag: str, digest: str, *, number: int) -> BuildFinished:
    return BuildFinished(
        controller="main",
        job=f"{image.path}/main",
        number=number,
        result=BuildResult.SUCCESS,
        started_at=NOW - timedelta(minutes=10),
        finished_at=NOW,
        artifacts=(Artifact("image", image, tag, digest),),
    )


@settings(max_examples=EXAMPLES // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(_facts, max_size=8), after=st.lists(_facts, min_size=1, max_size=8))
def test_the_stored_choice_is_that_of_a_full_evaluation(
    database: Database, before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    image = Image(database)
    for fact in before:
        image.tell(*fact)
    image.evaluate()
    assert image.stored() == image.in_full()
    for fact in after:
        image.tell(*fact)
        stored, full = image.stored(), image.in_full()
        unknown = {key for key, stored_choice in stored.items() if stored_choice is None}
        event("some are to be worked out" if unknown else "all were kept")
        assert {key: full[key] if key in unknown else kept for key, kept in stored.items()} == full
        if unknown:
            image.evaluate()


def test_a_push_keeps_every_choice(database: Database) -> None:
    image = Image(database)
    image.evaluate()
    for tag in TAGS:
        image.tell("push", tag, DIGESTS[0])
        if tag != "n-nan":
            assert None not in image.stored().values(), tag


@pytest.mark.parametrize(
    ("told", "is_forgotten"),
    [
        pytest.param(("delete", "2.0.0"), True, id="the-chosen-tag-is-deleted"),
        pytest.param(("delete", "1.0.0"), False, id="another-is-deleted"),
        pytest.param(("barred build", "2.0.0"), True, id="only-our-own-build-made-the-chosen-tag"),
        pytest.param(("build", "2.0.0"), False, id="a-build-of-the-chosen-tag"),
    ],
)
def test_only_what_may_take_the_choice_away_has_it_worked_out_again(
    database: Database, told: tuple[str, str], *, is_forgotten: bool
) -> None:
    image = Image(database)
    for tag in ("1.0.0", "2.0.0"):
        image.tell("push", tag, DIGESTS[0] if tag == "1.0.0" else DIGESTS[1])
    image.evaluate()
    kind, tag = told
    image.tell(kind, tag, DIGESTS[1])
    assert (image.stored()[SPECS[0].fingerprint()] is None) == is_forgotten


def test_choices_of_another_engine_are_worked_out_again_and_miss_no_push(database: Database) -> None:
    """As while two versions of the program run side by side: each drops what it cannot move along."""
    image = Image(database)
    image.evaluate()
    with database.transaction() as connection:
        connection.execute(selections.selections.update().values(engine=ENGINE + 1))
    assert set(image.stored().values()) == {None}
    image.tell("push", "1.0.0", DIGESTS[0])
    assert image.stored() == {}
    image.evaluate()
    assert image.stored() == image.in_full()


def test_a_push_and_a_full_evaluation_beside_each_other_miss_nothing(database: Database) -> None:
    """The one that holds the image first is waited for: without that the push would find nothing to move along."""
    image, has_told, is_evaluated = Image(database), threading.Event(), threading.Event()

    def push() -> None:
        with database.transaction() as connection:
            catalogue.lock(connection, [image.image], NOW)
            record_push(connection, image.image, "1.0.0", DIGESTS[0], at=None, now=NOW, source="r", delivery_id=None)
            keep_selections(connection, image.ready, image.image, ["1.0.0"])
            has_told.set()
            is_evaluated.wait(0.5)

    with database.transaction() as connection:
        catalogue.lock(connection, [image.image], NOW)
    pushing = threading.Thread(target=push)
    pushing.start()
    assert has_told.wait(30)
    image.evaluate()
    is_evaluated.set()
    pushing.join(30)
    assert image.stored() == image.in_full()
