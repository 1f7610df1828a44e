"""GitLab's REST API v4 as far as Fluxbridge asks it, over the merge requests of one project."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import unquote, urlencode

from tests.servers.gitlab_bodies import PROJECT_ID, Bodies
from tests.servers.pulls import Declined, Pull, PullRequests
from tests.servers.rest_answers import Answer, Asked, Body

Item = TypeVar("Item")
VERSION = "18.9.0"
_PROJECT = re.compile(r"/projects/(?P<name>[^/]+)(?P<rest>/.*)?")
# As GitLab has it, but for the blocks in which it looks for none: nothing may depend on those.
_COMMANDS = re.compile(r"^/(close|merge|label|reopen|shrug)(?: ([^\n]*))?(?:\s*\n|$)", re.MULTILINE | re.IGNORECASE)


class RestApi:
    """Answers requests; `former_names` of the project redirect to it."""

    def __init__(self, pulls: PullRequests, bodies: Bodies) -> None:
        self._pulls, self._bodies = pulls, bodies
        self.former_names: set[str] = set()
        self.is_protected, self.token_ends = False, ""
        self.lacks_scope = False
        self._looked_at: set[tuple[int, str, str]] = set()

    def answer(self, asked: Asked) -> Answer:
        """Do what was asked, or say GitLab's no."""
        if self.lacks_scope:
            told = "The request requires higher privileges than provided by the access token."
            return Answer(403, {"error": "insufficient_scope", "error_description": told, "scope": "api"})
        try:
            return self._route(asked)
        except Declined as why:
            return _refusal(why)

    def _route(self, asked: Asked) -> Answer:
        match asked.method, asked.path:
            case "GET", "/metadata":
                return Answer(200, {"version": VERSION, "revision": "5f3a1c2d", "enterprise": False})
            case "GET", "/user":
                return Answer(200, self._bodies.account(asked.by))
            case "GET", "/personal_access_tokens/self" if self.token_ends:
                return Answer(200, {"id": 7, "name": "fluxbridge", "scopes": ["api"], "expires_at": self.token_ends})
        place = _PROJECT.fullmatch(asked.path)
        return self._in_project(asked, unquote(place["name"]), place["rest"] or "") if place else _unknown_place()

    def _in_project(self, asked: Asked, name: str, rest: str) -> Answer:
        if name.casefold() in {one.casefold() for one in self.former_names}:
            return self._redirect(asked, rest)
        if name.casefold() != self._bodies.full_name.casefold() and name != str(PROJECT_ID):
            return _message(404, "404 Project Not Found")
        if asked.method != "GET" and (self._bodies.is_archived or self._bodies.access_level < 30):
            return _message(403, "403 Forbidden")
        for method, pattern, act in self._routes():
            if method == asked.method and (found := re.fullmatch(pattern, rest)):
                return act(asked, *(int(number) for number in found.groups()))
        return _unknown_place()

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        one = r"/merge_requests/(\d+)"
        return [
            ("GET", "", self._show_project),
            ("GET", "/repository/branches/main", self._show_branch),
            ("GET", "/merge_requests", self._list_merges),
            ("POST", "/merge_requests", self._open),
            ("GET", one, self._show),
            ("PUT", one, self._edit),
            ("GET", f"{one}/approvals", self._show_approvals),
            ("GET", f"{one}/versions", self._list_versions),
            ("GET", f"{one}/notes", self._list_notes),
            ("POST", f"{one}/notes", self._add_note),
        ]

    def _redirect(self, asked: Asked, rest: str) -> Answer:
        status = 301 if asked.method == "GET" else 307
        url = f"{self._bodies.origin}/api/v4/projects/{PROJECT_ID}{rest}" + (f"?{asked.query}" if asked.query else "")
        return Answer(status, {"message": "This resource has been moved permanently"}, {"Location": url})

    def _show_project(self, _: Asked) -> Answer:
        return Answer(200, self._bodies.project())

    def _show_branch(self, _: Asked) -> Answer:
        may = not self.is_protected and self._bodies.access_level >= 30
        return Answer(200, {"name": "main", "protected": self.is_protected, "can_push": may})

    def _list_merges(self, asked: Asked) -> Answer:
        """Those that fit, from forks too: a list looks for no conflicts, and shows what is known of them."""
        wanted = asked.parameters()
        found = [
            pull
            for pull in self._pulls.every()
            if wanted.get("state", "all") in {"all", _state(pull)}
            and wanted.get("source_branch", pull.head) == pull.head
            and wanted.get("target_branch", pull.base) == pull.base
        ]
        if wanted.get("order_by") == "updated_at":
            found.sort(key=lambda pull: pull.changes, reverse=True)
        if wanted.get("sort", "desc") == "asc":
            found.reverse()
        shown, headers = self._page(asked, found)
        return Answer(200, [self._body(pull) for pull in shown], headers)

    def _open(self, asked: Asked) -> Answer:
        given = asked.content()
        if given["source_branch"] == given["target_branch"]:
            return Answer(422, {"error": ["You can't use same project/branch for source and target"]})
        text, commands = _extract(given.get("description") or "")
        pull = self._pulls.open(
            head=given["source_branch"], base=given["target_branch"], title=given["title"], body=text, by=asked.by
        )
        self._label(pull, given.get("labels", ""))
        self._carry_out(pull, commands, asked.by)
        return Answer(201, self._body(pull))

    def _show(self, _: Asked, number: int) -> Answer:
        """One, which has it looked at for conflicts; the answer itself comes before the look is done."""
        pull = self._pulls.find(number)
        body = self._body(pull)
        self._looked_at.add(self._state_of(pull))
        return Answer(200, body)

    def _edit(self, asked: Asked, number: int) -> Answer:
        pull, given = self._pulls.find(number), asked.content()
        if given.keys() & {"title", "description"}:
            text, commands = _extract(given.get("description", pull.body) or "")
            self._pulls.edit(number, title=given.get("title", pull.title), body=text, by=asked.by)
            self._carry_out(pull, commands, asked.by)
        self._label(pull, given.get("add_labels", ""))
        match given.get("state_event"):
            case "close":
                self._pulls.close(number, by=asked.by)
            case "reopen":
                self._pulls.reopen(number, by=asked.by)
        return Answer(200, self._body(pull))

    def _show_approvals(self, _: Asked, number: int) -> Answer:
        return Answer(200, self._bodies.approvals(self._pulls.find(number)))

    def _list_versions(self, _: Asked, number: int) -> Answer:
        return Answer(200, self._bodies.versions(self._pulls.find(number)))

    def _list_notes(self, asked: Asked, number: int) -> Answer:
        """Newest first unless asked otherwise, with what GitLab itself wrote down."""
        pull = self._pulls.find(number)
        notes = [self._bodies.system_note(pull), *map(self._bodies.note, pull.comments)]
        shown, headers = self._page(asked, notes if asked.parameters().get("sort") == "asc" else notes[::-1])
        return Answer(200, list(shown), headers)

    def _add_note(self, asked: Asked, number: int) -> Answer:
        """Keep what is left of a comment once its commands are carried out; of nothing else there is no comment."""
        pull = self._pulls.find(number)
        text, commands = _extract(asked.content()["body"])
        self._carry_out(pull, commands, asked.by)
        if not text:
            return Answer(202, {"commands_changes": {}, "summary": ["Applied."]})
        return Answer(201, self._bodies.note(self._pulls.comment(number, text, by=asked.by).comments[-1]))

    def _carry_out(self, pull: Pull, commands: Sequence[tuple[str, str]], by: str) -> None:
        for command, argument in commands:
            match command:
                case "close":
                    self._pulls.close(pull.number, by=by)
                case "merge":
                    self._pulls.merge(pull.number, by=by, method="merge")
                case "label":
                    self._label(pull, argument.replace("~", ""))

    def _label(self, pull: Pull, names: str) -> None:
        if new := [name for name in names.split(",") if name and name not in pull.labels]:
            pull.labels.extend(new)
            self._pulls.touch(pull)

    def _page(self, asked: Asked, found: Sequence[Item]) -> tuple[Sequence[Item], Mapping[str, str]]:
        """What is asked for of a list, and the link to what follows."""
        wanted = asked.parameters()
        size, page = int(wanted.get("per_page", 20)), int(wanted.get("page", 1))
        link = f"{self._bodies.origin}/api/v4{asked.path}?{urlencode({**wanted, 'page': str(page + 1)})}"
        headers = {"Link": f'<{link}>; rel="next"'} if len(found) > page * size else {}
        return found[(page - 1) * size : page * size], headers

    def _body(self, pull: Pull) -> Body:
        return self._bodies.merge_request(pull, merge_status=self._merge_status(pull))

    def _merge_status(self, pull: Pull) -> str:
        if pull.is_open and self._state_of(pull) not in self._looked_at:
            return "checking"
        return "cannot_be_merged" if self._pulls.is_mergeable(pull) is False else "can_be_merged"

    def _state_of(self, pull: Pull) -> tuple[int, str, str]:
        return pull.number, pull.head_sha, self._pulls.repository.head(pull.base) or ""


def _extract(text: str) -> tuple[str, list[tuple[str, str]]]:
    """What GitLab keeps of a text, and the commands that it took out."""
    text = text.replace("\r", "")
    commands = [(name.lower(), argument) for name, argument in _COMMANDS.findall(text)]
    return _COMMANDS.sub("", text).rstrip(), commands


def _refusal(why: Declined) -> Answer:
    """How GitLab says no; for a branch that is not there nobody has seen its words."""
    match why.reason:
        case "not found":
            return _message(404, "404 Not found")
        case "open already":
            number = why.other.number if why.other else 0
            return Answer(
                409, {"message": [f"Another open merge request already exists for this source branch: !{number}"]}
            )
        case "not mergeable":
            return _message(405, "405 Method Not Allowed")
        case _:
            return Answer(400, {"message": {"source_branch": [why.reason]}})


def _unknown_place() -> Answer:
    return Answer(404, {"error": "404 Not Found"})


def _message(status: int, text: str) -> Answer:
    return Answer(status, {"message": text})


def _state(pull: Pull) -> str:
    if pull.merged_at is not None:
        return "merged"
    return "opened" if pull.is_open else "closed"
