"""Jobs and builds by their pages in Jenkins: addresses in bodies are read, and never opened."""

import re
from urllib.parse import unquote, urlsplit

from app.core.builds.job_names import job_name_problem
from app.core.facts import BuildMentioned
from app.senders.sender import Origin, Parsed, Unusable
from app.senders.web_addresses import is_web_address, lies_under

_BUILD_PAGE = re.compile(r"(?P<job>(?:job/[^/]+/)+)(?P<number>[1-9][0-9]{0,8})(?:/.*)?")


def mention(origin: Origin, job: str, number: int) -> Parsed:
    """A build that Jenkins is to be asked about. Raises OriginNotNamed."""
    return Parsed(facts=(BuildMentioned(controller=origin.named("jenkins"), job=job, number=number),))


def problem_elsewhere(place: str, url: str | None, origin: Origin) -> str | None:
    """Why a page is none of the Jenkins that the source speaks for; None where it is one, or is not told."""
    if not url or not origin.jenkins_url or lies_under(url, origin.jenkins_url):
        return None
    return f"{place}: {url[:200]!r} is not below {origin.jenkins_url}"


def build_of(address: str, root: str | None) -> tuple[str, int] | None:
    """Job and number by the page of a build, or one below it; None where it is no such page of the Jenkins at `root`.

    The address may be the path alone. Where no root is known, any is taken for it. Raises Unusable where no job has
    such a name.

    >>> build_of("https://ci.acme.example/jenkins/job/team/job/app/7/console", "https://ci.acme.example/jenkins")
    ('team/app', 7)
    """
    path = _path_below(address, root)
    page = _BUILD_PAGE.fullmatch(path) if path is not None else None
    return None if page is None else (job_of(page["job"]), int(page["number"]))


def _path_below(address: str, root: str | None) -> str | None:
    """The path from Jenkins' root on; None where the address leads elsewhere."""
    if not is_web_address(address):
        path = f"{address.strip('/')}/".removeprefix(urlsplit(root or "").path.strip("/") + "/")
        return None if ".." in path.split("/") else path
    if root and not lies_under(address, root):
        return None
    try:
        path = urlsplit(address).path
    except ValueError:
        return None
    return path[len(urlsplit(root).path.rstrip("/")) + 1 :] if root else "job/" + path.partition("/job/")[2]


def job_of(url: str) -> str:
    """Turn a job's relative URL into its JOB_NAME, each name decoded once. Raises Unusable.

    >>> job_of("job/lumen/job/parcel-api/job/feature%252Flogin/")
    'lumen/parcel-api/feature%2Flogin'
    """
    steps = url.strip("/").split("/")
    try:
        names = [unquote(step, errors="strict") for step in steps[1::2]]
    except UnicodeDecodeError:
        names = []
    is_path_of_jobs = len(steps) % 2 == 0 and set(steps[::2]) == {"job"} and not any("/" in name for name in names)
    job = "/".join(names)
    problem = job_name_problem(job) if is_path_of_jobs else "names stand between job/ and /"
    if problem is not None:
        raise Unusable(f"url: {url[:200]!r} is no path of a job such as job/folder/job/app/: {problem}")
    return job
