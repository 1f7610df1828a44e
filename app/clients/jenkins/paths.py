"""Full names of jobs, as JOB_NAME has them, and where Jenkins shows such a job."""

from urllib.parse import quote

from app.core.builds.job_names import job_name_problem
from app.core.errors import Invalid


class InvalidJobName(Invalid):
    """A text that should be a JOB_NAME could not be one."""

    def __init__(self, job: str, problem: str) -> None:
        super().__init__(f"{job[:300]!r} is no Jenkins job name: {problem}")
        self.job = job


def job_path(job: str) -> str:
    """The URL path of a JOB_NAME; a branch's `%2F` is quoted once more, so that it is no folder.

    Raises InvalidJobName.
    """
    if problem := job_name_problem(job):
        raise InvalidJobName(job, problem)
    return "/".join(f"job/{quote(segment, safe='')}" for segment in job.split("/"))
