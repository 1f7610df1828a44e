"""First contact: a config repository in `mode: observe` is planned for and left alone."""

from pathlib import Path

from tests.end_to_end.bridge import fleet, running_bridge


def test_observing_plans_explains_and_pushes_nothing(tmp_path: Path, database_url: str) -> None:
    with running_bridge(tmp_path, database_url, files=fleet(), mode="observe") as bridge:
        before = bridge.config.git("for-each-ref")
        bridge.push_image("1.1.0")
        waiting = bridge.wait_for_state("staging", "1.1.0", "waiting")
        bridge.settle()
        assert waiting["reason"] in {"mode: observe", "passed; its pull request is being opened"}
        planned = bridge.get("/lanes/fleet/plan", branch="main")["proposals"]
        assert [(one["title"], one["is_put_off"]) for one in planned] == [
            ("Promote app 1.0.0 to 1.1.0 in staging", True)
        ]
        assert planned[0]["changes"] == [
            {
                "policy": "images:flux-system/app",
                "file": "apps/staging/app.yaml",
                "line": 6,
                "old": "registry.acme.example/team/app:1.0.0",
                "new": "registry.acme.example/team/app:1.1.0",
            }
        ]
        assert bridge.config.git("for-each-ref") == before
