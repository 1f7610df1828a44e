"""Builds by their pages: which addresses name one, and of which Jenkins."""

import pytest

from app.senders.jenkins.pages import build_of
from app.senders.sender import Unusable

ROOT = "https://ci.lumen.example"


@pytest.mark.parametrize(
    ("address", "root"),
    [
        pytest.param("https://ci.lumen.example/job/team/job/app/7/", ROOT, id="whole"),
        pytest.param("https://CI.lumen.example:443/job/team/job/app/7", f"{ROOT}/", id="the same server"),
        pytest.param("https://ci.lumen.example/job/team/job/app/7/display/redirect?page=tests#x", ROOT, id="below it"),
        pytest.param(
            "https://ci.lumen.example/jenkins/job/team/job/app/7/", f"{ROOT}/jenkins", id="a root with a path"
        ),
        pytest.param("job/team/job/app/7/", ROOT, id="from the root"),
        pytest.param("/job/team/job/app/7", f"{ROOT}/jenkins/", id="from the root with a slash"),
        pytest.param("/jenkins/job/team/job/app/7", f"{ROOT}/jenkins", id="from the server"),
        pytest.param("https://any.example/jenkins/job/team/job/app/7/", None, id="no root is known"),
    ],
)
def test_the_page_of_a_build_names_job_and_number(address: str, root: str | None) -> None:
    assert build_of(address, root) == ("team/app", 7)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/job/team/job/app/7/",
        "http://ci.lumen.example/job/team/job/app/7/",
        "https://ci.lumen.example@evil.example/job/team/job/app/7/",
        "https://ci.lumen.example/other/job/team/job/app/7/",
        "https://ci.lumen.example/job/team/job/app/",
        "https://ci.lumen.example/job/team/job/app/lastBuild/",
        "https://ci.lumen.example/job/team/job/app/007/",
        "https://ci.lumen.example/job/team/job/app/9999999999/",
        "https://ci.lumen.example/job/team/job/app/7/../../other/8/",
        "job/team/job/app/7/../../other/8/",
        "//evil.example/job/team/job/app/7/",
        "javascript:job/app/7/",
        "https://[/job/app/7/",
        "7",
        "",
    ],
)
@pytest.mark.parametrize("root", [ROOT, f"{ROOT}/jenkins"])
def test_any_other_address_names_none(address: str, root: str) -> None:
    assert build_of(address, root) is None


@pytest.mark.parametrize("address", ["https://[/job/app/7/", "https://any.example/", "https://any.example/job/app"])
def test_without_a_root_what_is_no_page_of_a_build_names_none(address: str) -> None:
    assert build_of(address, None) is None


@pytest.mark.parametrize("name", ["%2E%2E", "a%2Fb", "%FF", "a%0Ab", "%E2%80%AE"])
def test_a_job_that_no_jenkins_has_is_unusable(name: str) -> None:
    with pytest.raises(Unusable, match="no path of a job"):
        build_of(f"job/{name}/7/", ROOT)
