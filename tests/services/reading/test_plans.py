"""Plans as plain values, also those that an earlier version kept."""

from app.services.reading.plans import PlanDescription

# As the version before groups wrote it.
_KEPT = """
{"commit": "c0ffee", "proposals": [{"stage": "all", "policy": "flux-system/app", "branch": "fluxbridge/main/all/app",
  "title": "Promote app to 1.1.0", "image": "registry.acme.example/team/app", "from_tag": "1.0.0", "from_image": null,
  "tag": "1.1.0", "digest": null, "downward": null, "reasons": ["highest"], "is_put_off": true,
  "put_off_because": "limit: 10 pull requests are open",
  "changes": [{"file": "apps/app.yaml", "line": 6, "old": "1.0.0", "new": "1.1.0"}]}],
 "closures": [], "outcomes": [], "noticed": []}
"""


def test_a_plan_that_was_kept_before_there_were_groups_is_read_as_one_move() -> None:
    [found] = PlanDescription.model_validate_json(_KEPT).proposals
    assert (found.group, found.is_put_off) == ("flux-system/app", True)
    assert [(one.policy, one.from_tag, one.tag, one.reasons) for one in found.moves] == [
        ("flux-system/app", "1.0.0", "1.1.0", ["highest"])
    ]
    assert [(one.policy, one.file, one.new) for one in found.changes] == [("flux-system/app", "apps/app.yaml", "1.1.0")]
    assert PlanDescription.model_validate_json(PlanDescription.model_validate_json(_KEPT).model_dump_json())
