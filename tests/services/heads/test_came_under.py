"""A text that came under a spec as it was read otherwise is at first contact: nothing moves down for it."""

from app.core.flux.objects import Policy, PolicyName
from app.core.flux.tree import Field
from app.core.images import ImageName
from app.core.manifests.kinds.markers import find_markers
from app.core.policies.spec import PolicySpec, SemVer
from app.core.promotion.rules import Rules
from app.services.heads.came_under import came_under, image_of, reading_of, spec_hash

NAME = PolicyName("", "flux-system", "app")
CONTENT = b'image: ghcr.io/acme/app:1.2.0 # {"$imagepolicy": "flux-system:app"}\n'
FIELD = Field(NAME, "app.yaml", find_markers(CONTENT).fields[0])
KEY = ("flux-system/app", "app.yaml", "ghcr.io/acme/app:1.2.0")


def _policy(range_: str) -> Policy:
    image = ImageName.parse("ghcr.io/acme/app")
    spec = PolicySpec(SemVer(range_))
    return Policy(name=NAME, file="a.yaml", image=image, image_text="ghcr.io/acme/app", spec=spec)


def test_a_spec_that_people_changed_is_not_the_one_that_a_text_came_under() -> None:
    reading = reading_of(Rules())
    then, now = spec_hash(_policy("1.x"), reading), spec_hash(_policy("1.0.x"), reading)
    assert came_under(now, FIELD, {KEY: {then}}, is_usable=True) == then
    assert image_of(then) == "ghcr.io/acme/app"


def test_a_spec_of_another_reading_is_first_contact() -> None:
    of_before = f"{PolicySpec(SemVer('1.x')).fingerprint()}:ghcr.io/acme/app"
    without, given = reading_of(Rules()), reading_of(Rules(variables={"clusters/prod": {"RANGE": "1.0.x"}}))
    now = spec_hash(_policy("1.0.x"), given)
    for then in (of_before, spec_hash(_policy("1.x"), without)):
        assert came_under(now, FIELD, {KEY: {then}}, is_usable=True) == now


def test_a_spec_that_was_not_known_is_first_contact() -> None:
    reading = reading_of(Rules())
    unknown = spec_hash(Policy(name=NAME, file="a.yaml", image=None, image_text="${REGISTRY}/app", spec=None), reading)
    now = spec_hash(_policy("1.x"), reading)
    assert came_under(now, FIELD, {KEY: {unknown}}, is_usable=True) == now
