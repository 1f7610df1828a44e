"""The jobs and builds that a Jenkins controller lists, found page by page."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Annotated

from pydantic import BaseModel, Field

from app.clients.jenkins.builds import TREE, BuildAnswer
from app.core.builds.job_names import job_name_problem
from app.core.errors import Refused

PAGE = 100
_MOST_PAGES = 5000
_WILD = frozenset("*?[")


class JobTreeTooLarge(Refused):
    """The folders of a Jenkins have no end, or none within reason."""

    def __init__(self, controller: str) -> None:
        super().__init__(
            f"jenkins {controller} still lists folders after {_MOST_PAGES} pages of {PAGE} jobs: "
            "name the folders more exactly in jobs"
        )
        self.controller = controller


class LastBuild(BaseModel):
    """The newest build of a job."""

    number: Annotated[int, Field(ge=0)]


class Item(BaseModel):
    """Something in a folder: what has `jobs` (be it an empty list) is a folder of whatever kind, else it is a job."""

    name: str
    last_build: LastBuild | None = Field(None, alias="lastBuild")
    jobs: list[object] | None = None


class FolderAnswer(BaseModel):
    """One page of a folder; a job has no `jobs`."""

    jobs: list[Item | None] | None = None


class ListedBuild(BuildAnswer):
    """A build in a list."""

    number: Annotated[int, Field(gt=0)]


class JobAnswer(BaseModel):
    """One page of a job's builds, newest first; a folder has none."""

    builds: list[ListedBuild | None] | None = Field(None, alias="allBuilds")


ListFolder = Callable[[str, int], FolderAnswer | None]
"""Gives a page of a folder by its full name (the root's is empty) and its first place; None: nothing is shown there."""


def folder_tree(start: int) -> str:
    """The `tree` of a page of a folder: https://www.jenkins.io/doc/book/using/remote-access-api/."""
    return f"jobs[name,lastBuild[number],jobs[name]{{0,1}}]{{{start},{start + PAGE}}}"


def builds_tree(start: int, size: int) -> str:
    """The `tree` of a page of a job's builds; `builds` would end at the newest hundred."""
    return f"allBuilds[{TREE}]{{{start},{start + size}}}"


def find_jobs(
    controller: str,
    patterns: Sequence[str],
    list_folder: ListFolder,
    on_left_out: Callable[[str, str], None] = lambda _name, _why: None,
) -> Mapping[str, int] | None:
    """The jobs whose full names match, each with its newest build (0: none), from folders that can hold one.

    What has a name that is not taken is told to `on_left_out`, with the reason. The walk begins in the folders that the
    patterns name and enters no other. None: not one of these is shown. Raises JobTreeTooLarge, and what `list_folder`
    raises.
    """
    starts = sorted({_folder_named_by(pattern) for pattern in patterns})
    waiting, known = deque(starts), set(starts)
    found: dict[str, int] = {}
    is_shown, pages_left = not starts, _MOST_PAGES
    while waiting:
        folder = waiting.popleft()
        for page in _pages(folder, list_folder):
            is_shown, pages_left = True, pages_left - 1
            if pages_left < 0:
                raise JobTreeTooLarge(controller)
            items = dict(_named(folder, page, on_left_out))
            found |= {name: _newest(item) for name, item in items.items() if item.jobs is None}
            folders = {name for name, item in items.items() if item.jobs is not None and _can_hold(name, patterns)}
            waiting.extend(sorted(folders - known))
            known |= folders
    return {job: newest for job, newest in found.items() if _matches(job, patterns)} if is_shown else None


def _pages(folder: str, list_folder: ListFolder) -> Iterator[Sequence[Item | None]]:
    start = 0
    while (answer := list_folder(folder, start)) is not None and answer.jobs is not None:
        yield answer.jobs
        if len(answer.jobs) != PAGE:
            return
        start += PAGE


def _named(
    folder: str, page: Sequence[Item | None], on_left_out: Callable[[str, str], None]
) -> Iterator[tuple[str, Item]]:
    """What a page holds by full name, as JOB_NAME has it: a branch's own `/` is `%2F` in Jenkins' name of it."""
    for item in page:
        if item is None:
            continue
        name = f"{folder}/{item.name}" if folder else item.name
        problem = "its own name has a slash" if "/" in item.name else job_name_problem(name)
        if problem is None:
            yield name, item
        else:
            on_left_out(name, problem)


def _newest(job: Item) -> int:
    return job.last_build.number if job.last_build else 0


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _can_hold(folder: str, patterns: Sequence[str]) -> bool:
    """Whether a job below could match: then some beginning of a pattern matches the folder."""
    inside = f"{folder}/"
    return any(fnmatchcase(inside, pattern[:end]) for pattern in patterns for end in range(1, len(pattern) + 1))


def _folder_named_by(pattern: str) -> str:
    """The folder that a pattern names outright.

    >>> _folder_named_by("acme/app/*"), _folder_named_by("acme*"), _folder_named_by("acme/app/main")
    ('acme/app', '', 'acme/app')
    """
    plain = "".join(takewhile(lambda character: character not in _WILD, pattern))
    return plain.rpartition("/")[0]
