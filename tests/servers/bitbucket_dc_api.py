"""The REST API of Bitbucket Data Center as far as Fluxbridge asks it, over the pull requests of one repository."""

import re
from collections.abc import Callable, Mapping

from tests.servers.bitbucket_dc_bodies import Bodies, names
from tests.servers.pulls import NOWHERE, Declined, Pull, PullRequests
from tests.servers.rest_answers import Answer, Asked, Body

_LONGEST = 32_768
_BRANCHES = "refs/heads/"
_PLACE = re.compile(r"/projects/(?P<key>[^/]+)/repos/(?P<slug>[^/]+)(?P<rest>/.*)?")


class Rejected(Exception):
    """Bitbucket says no."""

    def __init__(self, status: int, message: str, exception: str) -> None:
        super().__init__(f"{status} {message}")
        self.status, self.message, self.exception = status, message, exception


class RestApi:
    """Answers requests. While `is_archived` nothing can be changed; `before_change` is called before each change."""

    def __init__(self, pulls: PullRequests, bodies: Bodies) -> None:
        self._pulls, self._bodies = pulls, bodies
        self.is_archived = False
        self.before_change: Callable[[], None] = lambda: None

    def answer(self, asked: Asked) -> Answer:
        """Do what was asked, or say Bitbucket's no."""
        try:
            return self._route(asked)
        except Declined as why:
            return self._refusal(why)
        except Rejected as no:
            return Answer(no.status, self._bodies.errors(no.message, no.exception))

    def pull_body(self, pull: Pull) -> Body:
        """A pull request as it is now; its version rises with all that is done to it."""
        base = self._pulls.repository.head(pull.base) or NOWHERE
        return self._bodies.pull(pull, base_sha=base, version=pull.changes)

    def _refusal(self, why: Declined) -> Answer:
        if why.reason == "open already" and why.other is not None:
            message = "Only one pull request may be open for a given source and target branch"
            existing = self.pull_body(why.other)
            name = "pull.DuplicatePullRequestException"
            return Answer(409, self._bodies.errors(message, name, existingPullRequest=existing))
        status, message, name = {
            "not found": (404, "Pull request does not exist.", "pull.NoSuchPullRequestException"),
            "no head": (404, "Branch does not exist in this repository.", "commit.NoSuchBranchException"),
            "no base": (404, "Branch does not exist in this repository.", "commit.NoSuchBranchException"),
            "no difference": (409, "There are no new commits to merge.", "pull.EmptyPullRequestException"),
            "merged already": (409, "This pull request has already been merged.", "pull.IllegalPullRequestState"),
            "not mergeable": (409, "The pull request has conflicts.", "pull.PullRequestMergeVetoedException"),
        }[why.reason]
        return Answer(status, self._bodies.errors(message, name))

    def _route(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) == ("GET", "/application-properties"):
            return Answer(200, self._bodies.properties())
        place = _PLACE.fullmatch(asked.path.replace("%7E", "~"))
        if place is None:
            return Answer(404, {"status-code": 404, "message": "HTTP 404 Not Found"})
        if f"{place['key']}/{place['slug']}".lower() != self._bodies.full_name.lower():
            raise Rejected(404, "Repository does not exist.", "repository.NoSuchRepositoryException")
        if asked.method != "GET":
            if self.is_archived:
                raise Rejected(
                    409, "The repository is archived and cannot be changed.", "repository.RepositoryArchived"
                )
            self.before_change()
        for method, pattern, act in self._routes():
            if method == asked.method and (found := re.fullmatch(pattern, place["rest"] or "")):
                return act(asked, *(int(number) for number in found.groups()))
        return Answer(404, {"status-code": 404, "message": "HTTP 404 Not Found"})

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        one = r"/pull-requests/(\d+)"
        return [
            ("GET", "", lambda _: Answer(200, self._bodies.repository() | {"archived": self.is_archived})),
            ("GET", "/pull-requests", self._list),
            ("POST", "/pull-requests", self._open),
            ("GET", one, self._show),
            ("PUT", one, self._edit),
            ("POST", f"{one}/decline", self._decline),
            ("POST", f"{one}/reopen", self._reopen),
            ("GET", f"{one}/merge", self._merge_state),
            ("GET", f"{one}/auto-merge", self._auto_merge),
            ("GET", f"{one}/activities", self._activities),
            ("POST", f"{one}/comments", self._comment),
        ]

    def _list(self, asked: Asked) -> Answer:
        """`at` is a whole ref: the target's by default, the source's where the direction is OUTGOING."""
        wanted = asked.parameters()
        at, is_outgoing = wanted.get("at"), wanted.get("direction") == "OUTGOING"
        if at is not None and not at.startswith("refs/"):
            raise Rejected(404, f"{at} does not exist.", "commit.NoSuchCommitException")
        state = wanted.get("state", "OPEN")
        found = [
            pull
            for pull in self._pulls.every()
            if state in {"ALL", self._bodies.state(pull)}
            and (pull.fork_of is None or not is_outgoing)
            and at in {None, _BRANCHES + (pull.head if is_outgoing else pull.base)}
        ]
        found.sort(key=lambda pull: pull.changes, reverse=wanted.get("order", "NEWEST") == "NEWEST")
        return Answer(200, self._bodies.page([self.pull_body(pull) for pull in found], wanted))

    def _open(self, asked: Asked) -> Answer:
        given = asked.content()
        head, base = (self._branch(given[side]) for side in ("fromRef", "toRef"))
        body = self._checked(given)
        pull = self._pulls.open(head=head, base=base, title=given["title"], body=body, by=asked.by)
        self._bodies.reviewers[pull.number] = names(given.get("reviewers", []))
        return Answer(201, self.pull_body(pull))

    def _show(self, _: Asked, number: int) -> Answer:
        return Answer(200, self.pull_body(self._pulls.find(number)))

    def _edit(self, asked: Asked, number: int) -> Answer:
        """What an edit leaves out it clears."""
        pull, given = self._pulls.find(number), asked.content()
        self._require_version(pull, given.get("version"))
        body = self._checked(given)
        self._pulls.edit(number, title=given["title"], body=body, by=asked.by)
        self._bodies.reviewers[number] = names(given.get("reviewers", []))
        if "toRef" in given and self._branch(given["toRef"]) != pull.base:
            self._pulls.retarget(number, self._branch(given["toRef"]), by=asked.by)
        return self._show(asked, number)

    def _decline(self, asked: Asked, number: int) -> Answer:
        pull = self._pulls.find(number)
        self._require_version(pull, asked.parameters().get("version", -1))
        if not pull.is_open:
            raise Rejected(409, "This pull request is not open.", "pull.IllegalPullRequestStateException")
        self._pulls.close(number, by=asked.by)
        return self._show(asked, number)

    def _reopen(self, asked: Asked, number: int) -> Answer:
        self._require_version(self._pulls.find(number), asked.parameters().get("version", -1))
        self._pulls.reopen(number, by=asked.by)
        return self._show(asked, number)

    def _merge_state(self, _: Asked, number: int) -> Answer:
        pull = self._pulls.find(number)
        if not pull.is_open:
            raise Rejected(409, "This pull request is not open.", "pull.IllegalPullRequestStateException")
        fits = bool(self._pulls.is_mergeable(pull))
        outcome = "CLEAN" if fits else "CONFLICTED"
        return Answer(200, {"canMerge": fits, "conflicted": not fits, "outcome": outcome, "vetoes": []})

    def _auto_merge(self, _: Asked, number: int) -> Answer:
        pull = self._pulls.find(number)
        if not pull.auto_merge_by:
            raise Rejected(404, "No auto-merge request exists.", "pull.NoSuchAutoMergeException")
        return Answer(200, {"createdDate": 1760001000000, "autoSubject": True})

    def _activities(self, asked: Asked, number: int) -> Answer:
        found = self._bodies.activities(self._pulls.find(number))
        return Answer(200, self._bodies.page(found, asked.parameters()))

    def _comment(self, asked: Asked, number: int) -> Answer:
        text = asked.content()["text"]
        _require_length(text)
        pull = self._pulls.comment(number, text, by=asked.by)
        return Answer(201, self._bodies.comment(pull.comments[-1]))

    def _checked(self, given: Mapping[str, str]) -> str | None:
        body = given.get("description")
        _require_length(body or "")
        if not given["title"] or len(given["title"]) > 255:
            raise Rejected(400, "Please enter a title of at most 255 characters", "validation.ArgumentValidation")
        return body

    def _branch(self, given: Mapping[str, str]) -> str:
        if not given["id"].startswith(_BRANCHES):
            raise Rejected(400, "A fully qualified branch is needed", "validation.ArgumentValidationException")
        return given["id"].removeprefix(_BRANCHES)

    def _require_version(self, pull: Pull, version: object) -> None:
        if str(version) != str(pull.changes):
            message = "You are attempting to modify a pull request based on out-of-date information."
            raise Rejected(409, message, "pull.PullRequestOutOfDateException")


def _require_length(text: str) -> None:
    if len(text) >= _LONGEST:
        message = f"Please enter a non-empty value less than {_LONGEST} characters"
        raise Rejected(400, message, "validation.ArgumentValidationException")
