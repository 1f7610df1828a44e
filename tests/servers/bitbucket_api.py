"""The REST API of Bitbucket Cloud as far as Fluxbridge asks it, over the pull requests of one repository."""

import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, urlencode

from tests.servers.bitbucket_bodies import Bodies, uuid_of
from tests.servers.pulls import NOWHERE, Declined, Pull, PullRequests
from tests.servers.rest_answers import Answer, Asked, Body

_PLACE = re.compile(r"/repositories/(?P<name>[^/]+/[^/]+)(?P<rest>/.*)?")
_CONDITION = re.compile(r'(?P<field>source|destination)\.branch\.name\s*=\s*"(?P<name>(?:[^"\\]|\\.)*)"')
# The host of addresses in answers, which behind a proxy is not the one that was asked.
_ELSEWHERE = "https://api.bitbucket.org/2.0"


class Rejected(Exception):
    """Bitbucket says no."""

    def __init__(self, status: int, message: str, detail: object = None) -> None:
        super().__init__(f"{status} {message}")
        self.status, self.message, self.detail = status, message, detail


class RestApi:
    """Answers requests. `knows_tokens`: it tells of people's tokens whose they are, and their permission.

    `before_change` is called before each change.
    """

    def __init__(self, pulls: PullRequests, bodies: Bodies) -> None:
        self._pulls, self._bodies = pulls, bodies
        self.knows_tokens = True
        self.permission = "write"
        self.before_change: Callable[[], None] = lambda: None

    def answer(self, asked: Asked) -> Answer:
        """Do what was asked, or say Bitbucket's no."""
        try:
            return self._route(asked)
        except Declined as why:
            message = {"not found": "Not found", "no difference": "There are no changes to be pulled"}.get(
                why.reason, "branch not found"
            )
            return Answer(404 if why.reason == "not found" else 400, self._bodies.error(message))
        except Rejected as no:
            return Answer(no.status, self._bodies.error(no.message, no.detail))

    def listed(self, pull: Pull) -> Body:
        """A pull request as lists and webhooks have it, as it is now."""
        return self._bodies.pull(pull, base_sha=self._base_sha(pull))

    def _whole(self, pull: Pull) -> Body:
        return self._bodies.whole_pull(pull, base_sha=self._base_sha(pull))

    def _base_sha(self, pull: Pull) -> str:
        return self._pulls.repository.head(pull.base) or NOWHERE

    def _route(self, asked: Asked) -> Answer:
        if asked.method == "GET" and asked.path in {"/user", "/user/permissions/repositories"}:
            if not self.knows_tokens:
                message = "Your credentials lack one or more required privilege scopes."
                raise Rejected(403, message, {"granted": ["pullrequest:write"], "required": ["account"]})
            if asked.path == "/user":
                return Answer(200, self._bodies.account(asked.by))
            told = {"type": "repository_permission", "permission": self.permission}
            return self._page(asked, [told | {"repository": self._bodies.repository()}], most=100)
        place = _PLACE.fullmatch(asked.path)
        if place is None:
            raise Rejected(404, "Resource not found")
        if place["name"].lower() != self._bodies.full_name.lower():
            raise Rejected(404, f"Repository {place['name']} not found")
        if asked.method != "GET":
            self.before_change()
        for method, pattern, act in self._routes():
            if method == asked.method and (found := re.fullmatch(pattern, place["rest"] or "")):
                return act(asked, *(int(number) for number in found.groups()))
        raise Rejected(404, "Resource not found")

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        one = r"/pullrequests/(\d+)"
        return [
            ("GET", "", lambda _: Answer(200, self._bodies.whole_repository())),
            ("GET", "/pullrequests", self._list),
            ("POST", "/pullrequests", self._open),
            ("GET", one, self._show),
            ("PUT", one, self._edit),
            ("POST", f"{one}/decline", self._decline),
            ("GET", f"{one}/comments", self._list_comments),
            ("POST", f"{one}/comments", self._comment),
        ]

    def _list(self, asked: Asked) -> Answer:
        """Only open ones where no state is asked for, which may be asked for several times."""
        wanted = parse_qs(asked.query)
        states, sort = wanted.get("state", ["OPEN"]), wanted.get("sort", ["created_on"])[0]
        conditions = _conditions(wanted.get("q", [""])[0])
        found = [
            pull
            for pull in self._pulls.every()
            if self.listed(pull)["state"] in states
            and conditions.get("source", pull.head) == pull.head
            and conditions.get("destination", pull.base) == pull.base
        ]
        field = sort.removeprefix("-")
        found.sort(key=lambda pull: {"updated_on": pull.changes, "created_on": pull.number}[field])
        ordered = found[::-1] if sort.startswith("-") else found
        return self._page(asked, [self.listed(pull) for pull in ordered], most=50)

    def _open(self, asked: Asked) -> Answer:
        """One that is open from that source already is given this title and description."""
        given = asked.content()
        head, base = (given[side]["branch"]["name"] for side in ("source", "destination"))
        title, body = given["title"], given.get("description")
        try:
            pull = self._pulls.open(head=head, base=base, title=title, body=body, by=asked.by)
        except Declined as why:
            if why.other is None:
                raise
            pull = why.other
            self._pulls.edit(pull.number, title=title, body=body, by=asked.by)
        return Answer(201, self._whole(pull))

    def _show(self, _: Asked, number: int) -> Answer:
        return Answer(200, self._whole(self._pulls.find(number)))

    def _edit(self, asked: Asked, number: int) -> Answer:
        """Only of open ones; reviewers that are left out are none any more."""
        pull, given = self._pulls.find(number), asked.content()
        if not pull.is_open:
            raise Rejected(400, "This pull request is not open")
        names = {uuid_of(name): name for name in self._bodies.reviewers.get(number, [])}
        self._pulls.edit(number, title=given["title"], body=given.get("description", pull.body), by=asked.by)
        self._bodies.reviewers[number] = [names[each["uuid"]] for each in given.get("reviewers", [])]
        base = given.get("destination", {"branch": {"name": pull.base}})["branch"]["name"]
        if base != pull.base:
            self._pulls.retarget(number, base, by=asked.by)
        return self._show(asked, number)

    def _decline(self, asked: Asked, number: int) -> Answer:
        if not self._pulls.find(number).is_open:
            raise Rejected(400, "This pull request is already closed.")
        self._pulls.close(number, by=asked.by)
        return self._show(asked, number)

    def _list_comments(self, asked: Asked, number: int) -> Answer:
        found = [self._bodies.comment(one) for one in self._pulls.find(number).comments]
        return self._page(asked, found, most=100)

    def _comment(self, asked: Asked, number: int) -> Answer:
        pull = self._pulls.comment(number, asked.content()["content"]["raw"], by=asked.by)
        return Answer(201, self._bodies.comment(pull.comments[-1]))

    def _page(self, asked: Asked, found: Sequence[object], *, most: int) -> Answer:
        wanted = parse_qs(asked.query)
        size, page = int(wanted.get("pagelen", ["10"])[0]), int(wanted.get("page", ["1"])[0])
        if size > most:
            raise Rejected(400, "Invalid pagelen")
        body: Body = {"size": len(found), "page": page, "pagelen": size}
        body["values"] = found[(page - 1) * size : page * size]
        if len(found) > page * size:
            query = urlencode({**wanted, "page": page + 1}, doseq=True)
            body["next"] = f"{_ELSEWHERE}{asked.path}?{query}"
        return Answer(200, body)


def _conditions(query: str) -> dict[str, str]:
    """What a query asks for; one that cannot be read is refused."""
    parts = [part for part in re.split(r"\s+AND\s+", query) if part]
    found = [_CONDITION.fullmatch(part) for part in parts]
    if not all(found):
        raise Rejected(400, "Invalid query")
    return {one["field"]: re.sub(r"\\(.)", r"\1", one["name"]) for one in found if one}
