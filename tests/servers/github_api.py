"""GitHub's REST API as far as Fluxbridge asks it, over the pull requests of one repository."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

from tests.servers.github_bodies import REPOSITORY_ID, Bodies
from tests.servers.pulls import NOWHERE, Declined, Pull, PullEvent, PullRequests
from tests.servers.rest_answers import Answer, Asked, Body

Item = TypeVar("Item")
ENTERPRISE_VERSION = "3.19.1"

_REPOSITORY = re.compile(r"/repos/(?P<name>[^/]+/[^/]+)(?P<rest>/.*)?|/repositories/(?P<id>\d+)(?P<below>/.*)?")


class Rejected(Exception):
    """GitHub says no: the status and the `errors` of its answer."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, str]) -> None:
        super().__init__(f"{status} {message} {errors}")
        self.status, self.message, self.errors = status, message, errors


class RestApi:
    """Answers requests; `former_names` of the repository redirect to it."""

    def __init__(self, pulls: PullRequests, bodies: Bodies) -> None:
        self._pulls, self._bodies = pulls, bodies
        self.former_names: set[str] = set()
        self.is_protected = False
        self.checks: list[str] = []
        self.may_push, self.is_archived = True, False

    def answer(self, asked: Asked) -> Answer:
        """Do what was asked, or say GitHub's no."""
        try:
            return self._route(asked)
        except Declined as why:
            return self._refusal(why, asked)
        except Rejected as no:
            errors = [dict(error) for error in no.errors]
            return Answer(no.status, self._bodies.error(no.status, no.message, errors))

    def _refusal(self, why: Declined, asked: Asked) -> Answer:
        wanted = asked.content() if why.reason in {"no difference", "open already"} else {}
        head, base = str(wanted.get("head", "")).partition(":")[2] or wanted.get("head"), wanted.get("base")
        refusals: Mapping[str, tuple[int, str, list[Body]]] = {
            "not found": (404, "Not Found", []),
            "no head": (422, "Validation Failed", [_invalid("head")]),
            "no base": (422, "Validation Failed", [_invalid("base")]),
            "no difference": (422, "Validation Failed", [_custom(f"No commits between {base} and {head}")]),
            "open already": (
                422,
                "Validation Failed",
                [_custom(f"A pull request already exists for {self._bodies.owner}:{head}.")],
            ),
            "merged already": (422, "Validation Failed", [_invalid("state")]),
            "not mergeable": (405, "Pull Request is not mergeable", []),
        }
        status, message, errors = refusals[why.reason]
        return Answer(status, self._bodies.error(status, message, errors))

    def pull_body(self, pull: Pull) -> Body:
        """A pull request in full, as it is now."""
        return self._bodies.pull(pull, base_sha=self._base_sha(pull), is_mergeable=self._pulls.is_mergeable(pull))

    def pull_event(self, event: PullEvent) -> Body:
        """The payload of its webhook, as it is now."""
        return self._bodies.pull_event(event, self.pull_body(event.pull))

    def _route(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) == ("GET", "/user"):
            return Answer(200, self._bodies.me(asked.by))
        if (asked.method, asked.path) == ("GET", "/meta"):
            return Answer(200, {"verifiable_password_authentication": True, "installed_version": ENTERPRISE_VERSION})
        place = _REPOSITORY.fullmatch(asked.path)
        if place is None:
            raise Rejected(404, "Not Found")
        name, rest = place["name"], place["rest"] or place["below"] or ""
        if name in self.former_names:
            return self._redirect(asked, rest)
        if name != self._bodies.full_name and place["id"] != str(REPOSITORY_ID):
            raise Rejected(404, "Not Found")
        for method, pattern, act in self._routes():
            if method == asked.method and (found := re.fullmatch(pattern, rest)):
                return act(asked, *(int(number) for number in found.groups()))
        raise Rejected(404, "Not Found")

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            ("GET", "", self._show_repository),
            ("GET", "/branches/main", self._show_branch),
            ("GET", "/pulls", self._list_pulls),
            ("POST", "/pulls", self._open_pull),
            ("GET", r"/pulls/(\d+)", self._show_pull),
            ("PATCH", r"/pulls/(\d+)", self._edit_pull),
            ("GET", r"/pulls/(\d+)/reviews", self._list_reviews),
            ("GET", r"/issues/(\d+)", self._show_issue),
            ("GET", r"/issues/(\d+)/events", self._list_events),
            ("POST", r"/issues/(\d+)/labels", self._add_labels),
            ("POST", r"/issues/(\d+)/comments", self._add_comment),
            ("GET", r"/issues/(\d+)/comments", self._list_comments),
        ]

    def _redirect(self, asked: Asked, rest: str) -> Answer:
        status = 301 if asked.method == "GET" else 307
        url = f"{self._bodies.api_url}/repositories/{REPOSITORY_ID}{rest}" + (f"?{asked.query}" if asked.query else "")
        return Answer(status, {"message": "Moved Permanently", "url": url}, {"Location": url})

    def _show_repository(self, _: Asked) -> Answer:
        its = {"archived": self.is_archived, "permissions": {"admin": False, "push": self.may_push, "pull": True}}
        return Answer(200, self._bodies.repository() | its)

    def _show_branch(self, _: Asked) -> Answer:
        return Answer(200, self._bodies.branch("main", is_protected=self.is_protected, checks=self.checks))

    def _list_pulls(self, asked: Asked) -> Answer:
        wanted = asked.parameters()
        state, owner_and_head = wanted.get("state", "open"), wanted.get("head")
        found = [
            pull
            for pull in self._pulls.every()
            if state in {"all", "open" if pull.is_open else "closed"}
            and owner_and_head in {None, f"{pull.fork_of or self._bodies.owner}:{pull.head}"}
            and wanted.get("base", pull.base) == pull.base
        ]
        if wanted.get("sort") == "updated":
            found.sort(key=lambda pull: pull.changes, reverse=wanted.get("direction") == "desc")
        shown, links = self._page(asked, found)
        bodies = [self._bodies.listed_pull(pull, base_sha=self._base_sha(pull)) for pull in shown]
        return Answer(200, bodies, links)

    def _open_pull(self, asked: Asked) -> Answer:
        given = asked.content()
        head = given["head"].removeprefix(f"{self._bodies.owner}:")
        pull = self._pulls.open(
            head=head, base=given["base"], title=given["title"], body=given.get("body"), by=asked.by
        )
        return Answer(201, self.pull_body(pull))

    def _show_pull(self, _: Asked, number: int) -> Answer:
        return Answer(200, self.pull_body(self._pulls.find(number)))

    def _edit_pull(self, asked: Asked, number: int) -> Answer:
        pull, given = self._pulls.find(number), asked.content()
        if given.keys() & {"title", "body"}:
            title, body = given.get("title", pull.title), given.get("body", pull.body)
            self._pulls.edit(number, title=title, body=body, by=asked.by)
        match given.get("state"):
            case "closed":
                self._pulls.close(number, by=asked.by)
            case "open":
                self._pulls.reopen(number, by=asked.by)
        return self._show_pull(asked, number)

    def _list_reviews(self, _: Asked, number: int) -> Answer:
        pull = self._pulls.find(number)
        return Answer(200, [self._bodies.review(pull, review, index) for index, review in enumerate(pull.reviews)])

    def _show_issue(self, _: Asked, number: int) -> Answer:
        return Answer(200, self._bodies.issue(self._pulls.find(number)))

    def _list_events(self, asked: Asked, number: int) -> Answer:
        shown, links = self._page(asked, self._bodies.events(self._pulls.find(number)))
        return Answer(200, shown, links)

    def _add_labels(self, asked: Asked, number: int) -> Answer:
        pull, given = self._pulls.find(number), json.loads(asked.body)
        names = given if isinstance(given, list) else given["labels"]
        pull.labels.extend(name for name in names if name not in pull.labels)
        self._pulls.touch(pull)
        return Answer(200, [self._bodies.label(name) for name in pull.labels])

    def _add_comment(self, asked: Asked, number: int) -> Answer:
        pull = self._pulls.comment(number, asked.content()["body"], by=asked.by)
        return Answer(201, self._bodies.comment(pull, pull.comments[-1]))

    def _list_comments(self, asked: Asked, number: int) -> Answer:
        """Oldest first, as they always are; `since` is about the last change of each."""
        pull, since = self._pulls.find(number), asked.parameters().get("since")
        after = datetime.fromisoformat(since) if since is not None else None
        shown, links = self._page(asked, [one for one in pull.comments if after is None or one.at >= after])
        return Answer(200, [self._bodies.comment(pull, one) for one in shown], links)

    def _page(self, asked: Asked, found: Sequence[Item]) -> tuple[Sequence[Item], Mapping[str, str]]:
        """What is asked for of a list, and the link to what follows."""
        wanted = asked.parameters()
        size, page = int(wanted.get("per_page", 30)), int(wanted.get("page", 1))
        following = {**wanted, "page": str(page + 1)} if len(found) > page * size else {}
        return found[(page - 1) * size : page * size], self._link(asked, following)

    def _link(self, asked: Asked, following: Mapping[str, str]) -> Mapping[str, str]:
        if not following:
            return {}
        place = re.sub(r"^/repos/[^/]+/[^/]+", f"/repositories/{REPOSITORY_ID}", asked.path)
        return {"Link": f'<{self._bodies.api_url}{place}?{urlencode(following)}>; rel="next"'}

    def _base_sha(self, pull: Pull) -> str:
        return self._pulls.repository.head(pull.base) or NOWHERE


def _invalid(name: str) -> Body:
    return {"resource": "PullRequest", "field": name, "code": "invalid"}


def _custom(message: str) -> Body:
    return {"resource": "PullRequest", "code": "custom", "message": message}
