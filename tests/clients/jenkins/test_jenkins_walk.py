"""The walk through the folders of a Jenkins: it finds all that matches, and it ends."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.clients.jenkins.lists import FolderAnswer, JobTreeTooLarge, find_jobs
from tests.servers.jenkins import Json


def test_folders_within_folders_without_end_are_left_at_the_longest_name() -> None:
    asked: list[str] = []

    def endless(folder: str, _: int) -> FolderAnswer:
        asked.append(folder)
        return FolderAnswer.model_validate({"jobs": [{"name": "again", "jobs": []}]})

    assert find_jobs("main", ["*"], endless) == {}
    assert max(map(len, asked)) <= 1000


@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param([{"name": f"f{number}", "jobs": []} for number in range(3)], id="ever more folders"),
        pytest.param([{"name": f"j{number}", "lastBuild": None} for number in range(100)], id="a page again and again"),
    ],
)
def test_a_tree_without_end_is_refused(jobs: Json) -> None:
    answer = FolderAnswer.model_validate({"jobs": jobs})
    with pytest.raises(JobTreeTooLarge, match=r"jenkins main still lists folders.*name the folders more exactly"):
        find_jobs("main", ["*"], lambda _folder, _start: answer)


NAMES = st.lists(st.sampled_from(["a", "b", "ab", "b%2Fa"]), min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(st.sampled_from(["a", "b", "/", "*", "?", "[ab]", "%2F"]), min_size=1, max_size=6).map("".join)


@given(st.sets(NAMES, max_size=8), st.lists(PATTERNS, min_size=1, max_size=3))
@example({"a/b", "a/ab/b"}, ["a/*"])
@example({"a/b"}, ["*b"])
def test_the_walk_finds_what_looking_at_every_job_would(jobs: set[str], patterns: list[str]) -> None:
    folders = {"", *("/".join(job.split("/")[:depth]) for job in jobs for depth in range(1, job.count("/") + 1))}
    leaves = jobs - folders

    def show(folder: str, _: int) -> FolderAnswer | None:
        if folder not in folders:
            return None
        items = [item for item in folders | leaves if item and item.rpartition("/")[0] == folder]
        bodies: list[Json] = [
            {"name": item.rpartition("/")[2], "jobs": [] if item in folders else None} for item in items
        ]
        return FolderAnswer.model_validate({"jobs": bodies})

    expected = {job for job in leaves if any(fnmatchcase(job, pattern) for pattern in patterns)}
    assert set(find_jobs("main", patterns, show) or {}) == expected
