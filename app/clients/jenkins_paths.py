"""Full names of jobs, as JOB_NAME has them, and where Jenkins shows such a job."""

import re
from urllib.parse import quote

from app.core.errors import Invalid

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_JOB_NAME = 1000


class InvalidJobName(Invalid):
    """A text that should be a JOB_NAME could not be one."""

    def __init__(self, job: str, problem: str) -> None:
        super().__init__(f"{job[:300]!r} is no Jenkins job name: {problem}")
        self.job = job


def job_path(job: str) -> str:
    """The URL path of a JOB_NAME; a branch's `%2F` is quoted once more, so that it is no folder.

    Raises InvalidJobName.
    """
    if problem := _problem(job):
        raise InvalidJobName(job, problem)
    return "/".join(f"job/{quote(segment, safe='')}" for segment in job.split("/"))


def is_job_name(text: str) -> bool:
    """Whether `job_path` takes it."""
    return _problem(text) is None


def _problem(job: str) -> str | None:
    if len(job) > _LONGEST_JOB_NAME:
        return f"it is longer than {_LONGEST_JOB_NAME} characters"
    if _CONTROL.search(job) or not job.isprintable():
        return "it holds control characters"
    if any(segment.strip() in {"", ".", ".."} for segment in job.split("/")):
        return "a folder or job in it is empty, '.' or '..'"
    return None
