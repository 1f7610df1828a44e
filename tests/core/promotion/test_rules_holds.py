"""What `.fluxbridge.yaml` holds and denies is read, and what is wrong there is told with what to write."""

from datetime import UTC, datetime

import pytest

from app.core.images import ImageName
from app.core.promotion.holds import GIT, HoldKind
from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.rules_reading import read_rules

STAGES = b"stages: {production: {paths: [apps/production]}}\n"


def test_holds_and_denials_are_read() -> None:
    rules = read_rules(
        STAGES
        + b"""
holds:
  - {stage: production, until: 2026-12-27T08:00:00+01:00, why: holidays}
  - {policy: "flux-system/shop-*", stage: production, until: "2026-12-27T08:00:00Z", why: incident 4711}
deny:
  - {image: registry.acme.example/shop/web, tags: ["1.5.0", "1.5.0"], why: loses orders}
  - {image: shop/web, digest: "sha256:%s", why: the same}
"""
        % (b"a" * 64)
    )
    freeze, narrow, tag, digest = rules.holds
    assert (freeze.stage, freeze.policy, freeze.tags, freeze.kind) == ("production", None, None, HoldKind.MANUAL)
    assert freeze.until == datetime(2026, 12, 27, 7, tzinfo=UTC)
    assert (narrow.policy, narrow.until) == ("flux-system/shop-*", datetime(2026, 12, 27, 8, tzinfo=UTC))
    assert (tag.image, tag.tags, tag.kind) == (
        ImageName("registry.acme.example", "shop/web"),
        ("1.5.0",),
        HoldKind.DENIED,
    )
    assert (digest.image, digest.tags, digest.digest) == (
        ImageName("docker.io", "shop/web"),
        None,
        f"sha256:{'a' * 64}",
    )
    assert {(one.who, one.is_in_git) for one in rules.holds} == {(GIT, True)}
    assert freeze.next_step == "take it out of .fluxbridge.yaml"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"holds: [{why: all}]", 'it needs a policy, a stage or both; policy: "*" is for all'),
        (b"holds: [{stage: production}]", "holds.0.why: is missing"),
        (b"holds: [{stage: production, why: '  '}]", "holds.0.why: must match pattern"),
        (
            b"holds: [{stage: prod, why: x}]",
            "holds.0.stage: no stage is called 'prod': did you mean 'production'? There are: production",
        ),
        (b"holds: [{stage: production, until: 2026-12-27, why: x}]", "until is a date and a time with an offset"),
        (b"holds: [{stage: production, until: 2026-12-27T08:00:00, why: x}]", "as 2026-12-27T08:00:00Z"),
        (b"holds: [{stage: production, until: monday, why: x}]", "until is a date and a time with an offset"),
        (b"holds: [{stage: production, until: '9999-12-31T23:59:59-14:00', why: x}]", "until is a date and a time"),
        (b"holds: [{policy: 'a b', why: x}]", "holds.0.policy: must match pattern"),
        (b"deny: [{image: a/b, why: x}]", "it has exactly one of tags and digest"),
        (b"deny: [{image: a/b, tags: [], why: x}]", "deny.0.tags: must have at least one entry"),
        (b"deny: [{image: a/b, tags: [1.5], why: x}]", "must be text (quote what looks like a number)"),
        (b"deny: [{image: a/b, tags: ['-x'], why: x}]", "no registry takes this tag"),
        (b"deny: [{image: a/b, digest: abc, why: x}]", "a digest is sha256:"),
        (b"deny: [{image: 'A B', tags: ['1'], why: x}]", "image is written as policies write it, without a tag"),
        (b"deny: [{tags: ['1'], why: x}]", "deny.0.image: is missing"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(content: bytes, told: str) -> None:
    with pytest.raises(InvalidRules) as wrong:
        read_rules(STAGES + content)
    assert told in str(wrong.value)
