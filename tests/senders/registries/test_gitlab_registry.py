"""GitLab's registry: what it has that Distribution lacks costs nothing."""

import json

from app.core.facts import ImagePushed
from tests.senders.examples import example, read

[EVENT] = json.loads(example("gitlab-registry-push.json").body)["events"]


def test_a_rename_is_ignored_and_keys_of_its_own_are_no_error() -> None:
    rename = {"type": "name", "from": "lumen/parcel-api", "to": "lumen/parcels"}
    renamed = {**EVENT, "action": "rename", "target": {"repository": "lumen/parcel-api", "rename": rename}}
    pushed = {**EVENT, "meta": {"project_path": "lumen"}, "actor": {"name": "ci", "user_type": "build"}}
    parsed = read("gitlab-registry", {"events": [renamed, pushed]})
    [fact] = parsed.facts
    assert isinstance(fact, ImagePushed)
    assert parsed.ignored == ("events[0]: action 'rename' changes no tag",)
    assert not parsed.problems
