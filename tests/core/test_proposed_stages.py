"""Stages proposed from the names of folders and files."""

from collections.abc import Sequence

import pytest

from app.core.promotion.proposed_stages import propose_stages
from app.core.promotion.rules import Rules


@pytest.mark.parametrize(
    ("files", "stages"),
    [
        pytest.param(
            ["clusters/prod/app.yaml", "clusters/staging/app.yaml"],
            {"staging": ("clusters/staging",), "prod": ("clusters/prod",)},
            id="folders",
        ),
        pytest.param(
            [f"apps/{app}/{stage}.yaml" for app in "abcd" for stage in ("prod", "dev")],
            {"dev": ("apps/*/dev.yaml",), "prod": ("apps/*/prod.yaml",)},
            id="files",
        ),
        pytest.param(
            ["apps/pre/web/prod.yaml", "apps/pre/web/dev.yaml", "apps/web/web/prod.yaml", "apps/web/web/dev.yaml"],
            {
                "dev": ("apps/pre/web/dev.yaml", "apps/web/web/dev.yaml"),
                "prod": ("apps/pre/web/prod.yaml", "apps/web/web/prod.yaml"),
            },
            id="an app that is called like an environment",
        ),
    ],
)
def test_stages_come_in_the_order_of_environments(files: Sequence[str], stages: dict[str, tuple[str, ...]]) -> None:
    proposed = propose_stages(files)
    assert proposed is not None
    assert [(stage.name, stage.paths) for stage in proposed.stages] == list(stages.items())
    assert proposed.outside == ()


@pytest.mark.parametrize(
    "files", [[], ["apps/web/app.yaml"], ["apps/prod/app.yaml"], ["a*/dev/x.yaml", "b?/prod.yaml"]]
)
def test_where_nothing_tells_environments_apart_none_are_proposed(files: Sequence[str]) -> None:
    assert propose_stages(files) is None


def test_what_is_proposed_holds_each_file_once_or_says_that_it_does_not() -> None:
    files = [f"apps/{app}/{at}/app.yaml" for app in "abcd" for at in ("dev", "prod", "base")]
    proposed = propose_stages([*files, "apps/prod/dev/app.yaml"])
    assert proposed is not None
    rules = Rules(stages=proposed.stages, has_declared_stages=True)
    assert [file for file in files if rules.stage_of(file) is None] == list(proposed.outside)
    assert list(proposed.outside) == [f"apps/{app}/base/app.yaml" for app in "abcd"]
