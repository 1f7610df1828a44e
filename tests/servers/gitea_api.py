"""The REST API of Gitea as far as Fluxbridge asks it, over the pull requests of one repository, oddities included."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import unquote, urlencode

from tests.servers.gitea_bodies import Bodies
from tests.servers.pulls import NOWHERE, Declined, Pull, PullRequests
from tests.servers.rest_answers import Answer, Asked, Body

Item = TypeVar("Item")

_NOT_FOUND = "The target couldn't be found."
_USUAL_ITEMS = 30
_LONGEST_TITLE = 255
_REPOSITORY = re.compile(r"/repos/(?P<name>[^/]+/[^/]+)(?P<rest>/.*)?")
_ORDERS = {"recentupdate": (True, True), "leastupdate": (True, False), "oldest": (False, False)}


class Refusal(Exception):
    """Gitea says no. `message` None: it says nothing more."""

    def __init__(self, status: int, message: str | None = _NOT_FOUND) -> None:
        super().__init__(f"{status} {message}")
        self.status, self.message = status, message


@dataclass(slots=True)
class Settings:
    """What people may set, of the server and of its repository."""

    version: str = "1.23.0+dev-2ac6f2b129"
    answers_comments_with_500: bool = False


class GiteaApi:
    """Answers requests. `former_names` of the repository redirect to it; `scopes` of a login: it has only those."""

    def __init__(self, pulls: PullRequests, bodies: Bodies, settings: Settings) -> None:
        self._pulls, self._bodies, self._settings = pulls, bodies, settings
        self.former_names: set[str] = set()
        self.scopes: dict[str, set[str]] = {}
        self.readers: set[str] = set()
        self.organisation_labels: list[Body] = []
        self.labels: list[Body] = []
        self.most_items = 50
        self.demanded: list[str] | None = None
        self.events: dict[int, list[Body]] = {}

    def answer(self, asked: Asked) -> Answer:
        """Do what was asked, or say Gitea's no."""
        try:
            return self._route(asked)
        except Declined as why:
            return self._declined(why)
        except Refusal as no:
            if no.message is None:
                return Answer(no.status, raw=b"")
            return self._no(no.status, no.message)

    def note(self, number: int, kind: str, by: str, at: datetime) -> None:
        """Write something into the timeline of a pull request."""
        entries = self.events.setdefault(number, [])
        entries.append(self._bodies.event(len(entries) + 1, kind, by, at))

    def pull_body(self, pull: Pull) -> Body:
        """A pull request, as it is now. A closed one still shows where its branch is."""
        found = self._pulls.repository.git("for-each-ref", "--format=%(objectname)", pull.head_ref).decode().strip()
        return self._bodies.pull(
            pull,
            [label for label in self._known_labels() if label["id"] in map(int, pull.labels)],
            base_sha=self._pulls.repository.head(pull.base) or NOWHERE,
            tip=found or None,
            is_mergeable=bool(self._pulls.is_mergeable(pull)),
        )

    def _declined(self, why: Declined) -> Answer:
        other = why.other
        exists = other and (
            f"pull request already exists for these targets [id: {other.number}, issue_id: {other.number}, "
            f"head_repo_id: 1, base_repo_id: 1, head_branch: {other.head}, base_branch: {other.base}]"
        )
        refusals: Mapping[str, tuple[int, str]] = {
            "not found": (404, _NOT_FOUND),
            "no head": (404, _NOT_FOUND),
            "no base": (404, "BaseNotExist"),
            "open already": (409, exists or ""),
            "merged already": (412, "cannot change state of this pull request, it was already merged"),
        }
        status, message = refusals[why.reason]
        return self._no(status, message)

    def _no(self, status: int, message: str) -> Answer:
        told = {"errors": None} if status == 404 else {}
        return Answer(status, {**told, **self._bodies.error(message)})

    def _route(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) == ("GET", "/version"):
            return Answer(200, {"version": self._settings.version})
        if (asked.method, asked.path) == ("GET", "/user"):
            self._require_scope(asked, "read:user")
            return Answer(200, self._bodies.account(asked.by))
        if asked.method == "GET" and re.fullmatch(r"/orgs/[^/]+/labels", asked.path):
            return self._listed(asked, self.organisation_labels)
        place = _REPOSITORY.fullmatch(asked.path)
        if place is None:
            raise Refusal(404)
        if place["name"] in self.former_names:
            rest = (place["rest"] or "") + (f"?{asked.query}" if asked.query else "")
            return Answer(307, headers={"Location": f"/api/v1/repos/{self._bodies.full_name}{rest}"}, raw=b"")
        if place["name"].lower() != self._bodies.full_name.lower():
            raise Refusal(404)
        self._require_scope(asked, "read:repository" if asked.method == "GET" else "write:repository")
        for method, pattern, act in self._routes():
            if method == asked.method and (found := re.fullmatch(pattern, place["rest"] or "")):
                return act(asked, *(int(number) for number in found.groups()))
        raise Refusal(404)

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            ("GET", "", lambda _: Answer(200, self._bodies.repository())),
            ("GET", "/branches/main", lambda _: Answer(200, self._bodies.branch("main", self.demanded))),
            ("GET", "/labels", lambda asked: self._listed(asked, self.labels)),
            ("POST", "/labels", self._make_label),
            ("GET", "/pulls", self._list_pulls),
            ("POST", "/pulls", self._open_pull),
            ("GET", r"/pulls/(\d+)", self._show_pull),
            ("PATCH", r"/pulls/(\d+)", self._edit_pull),
            ("GET", r"/pulls/(\d+)/reviews", self._list_reviews),
            ("GET", r"/git/refs/pull/(\d+)/head", self._show_ref),
            ("GET", r"/issues/(\d+)/timeline", self._show_timeline),
            ("POST", r"/issues/(\d+)/labels", self._add_labels),
            ("POST", r"/issues/(\d+)/comments", self._add_comment),
            ("GET", r"/issues/(\d+)/comments", self._list_comments),
        ]

    def _require_scope(self, asked: Asked, needed: str) -> None:
        has = self.scopes.get(asked.by)
        if has is not None and not {needed, needed.replace("read:", "write:")} & has:
            scopes = f"required=[{needed}], token scope={','.join(sorted(has))}"
            raise Refusal(403, f"token does not have at least one of required scope(s), {scopes}")

    def _require_known(self, number: int) -> None:
        """Comments of what is not there are a 500."""
        if number not in {pull.number for pull in self._pulls.every()}:
            raise Refusal(500, "")

    def _require_writable(self) -> None:
        if self._bodies.is_archived:
            raise Refusal(423, f"<Repository 1:{self._bodies.full_name}> is archived")

    def _known_labels(self) -> list[Body]:
        return [*self.labels, *self.organisation_labels]

    def _make_label(self, asked: Asked) -> Answer:
        """Make one; there may be one of that name already."""
        label = self._bodies.label(len(self._known_labels()) + 1, asked.content()["name"])
        self.labels.append(label)
        return Answer(201, label)

    def _list_pulls(self, asked: Asked) -> Answer:
        """List them; unknown keys such as `head` are passed over, and so nothing is left out for them."""
        if not self._bodies.has_pull_requests:
            raise Refusal(404)
        wanted = asked.parameters()
        state = wanted.get("state", "open")
        found = [pull for pull in self._pulls.every() if state in {"all", "open" if pull.is_open else "closed"}]
        if (order := _ORDERS.get(wanted.get("sort", ""))) is not None:
            by_change, newest_first = order
            found.sort(key=lambda pull: pull.changes if by_change else pull.number, reverse=newest_first)
        shown, links = self._page(asked, found)
        return Answer(200, [self.pull_body(pull) for pull in shown], links)

    def _open_pull(self, asked: Asked) -> Answer:
        self._require_writable()
        if not self._bodies.has_pull_requests:
            raise Refusal(404)
        given = asked.content()
        if not given.get("title"):
            raise Refusal(422, "[Title]: Required")
        head = given["head"].removeprefix(f"{self._pulls.owner}:")
        title, body = _cut(given["title"]), given.get("body")
        pull = self._pulls.open(head=head, base=given["base"], title=title, body=body, by=asked.by)
        pull.labels.extend(str(one) for one in given.get("labels", []))
        return Answer(201, self.pull_body(pull))

    def _show_pull(self, _: Asked, number: int, status: int = 200) -> Answer:
        return Answer(status, self.pull_body(self._pulls.find(number)))

    def _edit_pull(self, asked: Asked, number: int) -> Answer:
        """Edit it, in an archived repository too; an empty title is passed over."""
        pull, given = self._pulls.find(number), asked.content()
        if asked.by in self.readers:
            raise Refusal(403, None)
        if given.keys() & {"title", "body"}:
            title, body = given.get("title") or pull.title, given.get("body", pull.body)
            self._pulls.edit(number, title=_cut(title), body=body, by=asked.by)
        match given.get("state"):
            case None:
                pass
            case "closed" if pull.merged_at is None:
                self._pulls.close(number, by=asked.by)
            case "open":
                self._pulls.reopen(number, by=asked.by)
            case other:
                raise Refusal(412, f"unknown state: {other}")
        return self._show_pull(asked, number, 201)

    def _list_reviews(self, asked: Asked, number: int) -> Answer:
        """List them; a dismissal is no review of its own but marks the one that was there."""
        pull = self._pulls.find(number)
        shown = [(index, one) for index, one in enumerate(pull.reviews) if one.state != "DISMISSED"]
        bodies = [
            self._bodies.review(
                pull,
                review,
                index + 1,
                is_dismissed=any(
                    (later.by, later.state) == (review.by, "DISMISSED") for later in pull.reviews[index + 1 :]
                ),
            )
            for index, review in shown
        ]
        return self._listed(asked, bodies)

    def _show_ref(self, _: Asked, number: int) -> Answer:
        """Show where the head of a pull request was last while it was open; as a list, as of all that begin so."""
        pull = self._pulls.find(number)
        ref = f"refs/pull/{number}/head"
        return Answer(200, [{"ref": ref, "url": "", "object": {"type": "commit", "sha": pull.head_sha, "url": ""}}])

    def _show_timeline(self, asked: Asked, number: int) -> Answer:
        pull = self._pulls.find(number)
        entries = list(self.events.get(number, ()))
        if pull.auto_merge_by:
            kind, at = "pull_scheduled_merge", pull.updated_at
            entries.append(self._bodies.event(len(entries) + 1, kind, pull.auto_merge_by, at))
        return self._listed(asked, entries)

    def _add_labels(self, asked: Asked, number: int) -> Answer:
        """Add labels by ids or names; a name that there is not is passed over."""
        pull, given = self._pulls.find(number), asked.content()["labels"]
        ids = [one["id"] for one in self._known_labels() if {one["id"], one["name"]} & set(given)]
        pull.labels.extend(str(one) for one in ids if str(one) not in pull.labels)
        self._pulls.touch(pull)
        return Answer(200, [one for one in self._known_labels() if str(one["id"]) in pull.labels])

    def _add_comment(self, asked: Asked, number: int) -> Answer:
        self._require_writable()
        if not asked.content()["body"]:
            raise Refusal(422, "[Body]: Required")
        self._require_known(number)
        pull = self._pulls.comment(number, asked.content()["body"], by=asked.by)
        if self._settings.answers_comments_with_500:
            return Answer(500, raw=b"<!DOCTYPE html>", headers={"Content-Type": "text/html; charset=utf-8"})
        return Answer(201, self._bodies.comment(pull, pull.comments[-1]))

    def _list_comments(self, asked: Asked, number: int) -> Answer:
        """List all of them, oldest first and without pages; `since` is about the last change of each."""
        self._require_known(number)
        pull, since = self._pulls.find(number), asked.parameters().get("since")
        after = datetime.fromisoformat(since) if since is not None else None
        shown = [one for one in pull.comments if after is None or one.at >= after]
        return Answer(200, [self._bodies.comment(pull, one) for one in shown], {"X-Total-Count": str(len(shown))})

    def _listed(self, asked: Asked, found: Sequence[Body]) -> Answer:
        shown, headers = self._page(asked, found)
        return Answer(200, list(shown), headers)

    def _page(self, asked: Asked, found: Sequence[Item]) -> tuple[Sequence[Item], Mapping[str, str]]:
        """What is asked for of a list, and the link to what follows; no more than the server has on one."""
        wanted = asked.parameters()
        size, page = min(int(wanted.get("limit", _USUAL_ITEMS)), self.most_items), int(wanted.get("page", 1))
        headers = {"X-Total-Count": str(len(found))}
        if len(found) > page * size:
            query = urlencode({**wanted, "page": str(page + 1)})
            url = f"{self._bodies.origin}/api/v1{unquote(asked.path)}?{query}"
            headers["Link"] = f'<{url}>; rel="next",<{url}>; rel="last"'
        return found[(page - 1) * size : page * size], headers


def _cut(title: str) -> str:
    """A title is cut silently to so many bytes."""
    told = title.encode()
    return title if len(told) <= _LONGEST_TITLE else told[: _LONGEST_TITLE - 3].decode(errors="ignore") + "…"
