"""Bodies in the shapes of Bitbucket Data Center, as its description and recorded exchanges have them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zlib import crc32

from tests.servers.pulls import Comment, Pull, PullEvent, PushEvent
from tests.servers.rest_answers import Body

VERSION = "9.4.2"
_VERDICTS = {"APPROVED": "APPROVED", "CHANGES_REQUESTED": "NEEDS_WORK", "DISMISSED": "UNAPPROVED"}


class Bodies:
    """Writes bodies for one repository, `KEY/slug`; `reviewers` are who was asked, by pull request."""

    def __init__(self, *, html_url: str, full_name: str) -> None:
        self.html_url, self.full_name = html_url, full_name
        self.reviewers: dict[int, list[str]] = {}

    def properties(self) -> Body:
        """The answer to GET /application-properties."""
        return {"version": VERSION, "buildNumber": "9004002", "buildDate": "1733788800000", "displayName": "Bitbucket"}

    def user(self, name: str) -> Body:
        """Anyone."""
        return {
            "name": name,
            "emailAddress": f"{name}@acme.example",
            "active": True,
            "displayName": name.title(),
            "id": crc32(name.encode()),
            "slug": name,
            "type": "NORMAL",
            "links": {"self": [{"href": f"{self.html_url}/users/{name}"}]},
        }

    def repository(self, *, fork_of: str | None = None) -> Body:
        """The repository itself, or somebody's fork of it."""
        key, _, slug = self.full_name.partition("/")
        project: Body = {"key": key, "id": 3, "name": key.title(), "public": False, "type": "NORMAL"}
        if fork_of is not None:
            project = {"key": f"~{fork_of.upper()}", "id": crc32(fork_of.encode()), "type": "PERSONAL"}
            project |= {"name": fork_of, "owner": self.user(fork_of)}
        return {
            "slug": slug,
            "id": 32 if fork_of is None else crc32(fork_of.encode()),
            "name": slug,
            "scmId": "git",
            "state": "AVAILABLE",
            "statusMessage": "Available",
            "forkable": True,
            "archived": False,
            "public": False,
            "project": project,
        }

    def pull(self, pull: Pull, *, base_sha: str, version: int) -> Body:
        """A pull request; a description that is empty is left out, and `mergeCommit` is not in lists."""
        verdicts = self._verdicts(pull)
        asked = self.reviewers.get(pull.number, [])
        ended: Body = {"closedDate": _ms(pull.closed_at)} if pull.closed_at else {}
        described: Body = {"description": pull.body} if pull.body else {}
        return {
            "id": pull.number,
            "version": version,
            "title": pull.title,
            **described,
            "state": self.state(pull),
            "open": pull.is_open,
            "closed": not pull.is_open,
            "draft": False,
            "createdDate": _ms(pull.created_at),
            "updatedDate": _ms(pull.updated_at),
            **ended,
            "fromRef": self._ref(pull.head, pull.head_sha, pull.fork_of),
            "toRef": self._ref(pull.base, base_sha, None),
            "locked": False,
            "author": {**self._participant(pull.author, "AUTHOR", None)},
            "reviewers": [self._participant(each, "REVIEWER", verdicts.get(each)) for each in asked],
            "participants": [
                self._participant(each, "PARTICIPANT", told) for each, told in verdicts.items() if each not in asked
            ],
            "links": {"self": [{"href": f"{self.html_url}/projects/{self._place(pull.number)}"}]},
        }

    def state(self, pull: Pull) -> str:
        """What Bitbucket calls where it stands."""
        if pull.is_open:
            return "OPEN"
        return "MERGED" if pull.merged_at else "DECLINED"

    def merged_properties(self, pull: Pull) -> Body:
        """What an event tells of a merge commit; of a fast-forward nothing."""
        if pull.merge_commit in {None, pull.head_sha}:
            return {}
        commit = str(pull.merge_commit)
        return {"properties": {"mergeCommit": {"id": commit, "displayId": commit[:11]}}}

    def activities(self, pull: Pull) -> list[Body]:
        """All that happened, newest first."""
        happened: list[Body] = [self._activity("OPENED", pull.author, pull.created_at)]
        later = [self._commented(one) for one in pull.comments]
        later += [self._activity(_VERDICTS.get(one.state, "REVIEWED"), one.by, one.at) for one in pull.reviews]
        if pull.merged_at:
            commit = {"id": pull.merge_commit, "displayId": str(pull.merge_commit)[:11]}
            later.append(self._activity("MERGED", str(pull.merged_by), pull.merged_at) | {"commit": commit})
        elif pull.closed_at:
            later.append(self._activity("DECLINED", str(pull.closed_by), pull.closed_at))
        happened += sorted(later, key=lambda one: int(one["createdDate"]))
        return [one | {"id": number} for number, one in enumerate(happened, 1)][::-1]

    def comment(self, comment: Comment) -> Body:
        """One comment."""
        at = _ms(comment.at)
        return {
            "properties": {"repositoryId": 32},
            "id": comment.number,
            "version": 0,
            "text": comment.text,
            "author": self.user(comment.by),
            "createdDate": at,
            "updatedDate": at,
            "comments": [],
            "tasks": [],
            "severity": "NORMAL",
            "state": "OPEN",
        }

    def errors(self, message: str, exception: str, **more: object) -> Body:
        """What Bitbucket answers where it does not do it."""
        return {
            "errors": [
                {"context": None, "message": message, "exceptionName": f"com.atlassian.bitbucket.{exception}", **more}
            ]
        }

    def page(self, found: Sequence[object], wanted: Mapping[str, str], *, most: int = 100) -> Body:
        """What is asked for of a list; more than `most` are silently not given."""
        start, limit = int(wanted.get("start", 0)), min(int(wanted.get("limit", 25)), most)
        shown, is_last = found[start : start + limit], len(found) <= start + limit
        following: Body = {} if is_last else {"nextPageStart": start + limit}
        return {"size": len(shown), "limit": limit, "isLastPage": is_last, "values": shown, "start": start} | following

    def pull_event(self, event: PullEvent, key: str, body: Body) -> Body:
        """The payload of an event of a pull request."""
        return {
            "eventKey": key,
            "date": _text(event.pull.updated_at),
            "actor": self.user(event.by),
            "pullRequest": body | self.merged_properties(event.pull),
        }

    def push_event(self, event: PushEvent) -> Body:
        """The payload of `repo:refs_changed`."""
        is_new, is_gone = not event.before.strip("0"), not event.after.strip("0")
        ref = f"refs/heads/{event.branch}"
        change = {
            "ref": {"id": ref, "displayId": event.branch, "type": "BRANCH"},
            "refId": ref,
            "fromHash": event.before,
            "toHash": event.after,
            "type": "ADD" if is_new else "DELETE" if is_gone else "UPDATE",
        }
        return {
            "eventKey": "repo:refs_changed",
            "date": "2026-05-04T12:00:00+0000",
            "actor": self.user(event.by),
            "repository": self.repository(),
            "changes": [change],
            "commits": [],
        }

    def _place(self, number: int) -> str:
        key, _, slug = self.full_name.partition("/")
        return f"{key}/repos/{slug}/pull-requests/{number}"

    def _verdicts(self, pull: Pull) -> dict[str, tuple[str, str]]:
        told = {one.by: (_VERDICTS[one.state], one.commit) for one in pull.reviews if one.state in _VERDICTS}
        return {name: verdict for name, verdict in told.items() if verdict[0] != "UNAPPROVED"}

    def _participant(self, name: str, role: str, verdict: tuple[str, str] | None) -> Body:
        status, commit = verdict or ("UNAPPROVED", None)
        seen: Body = {"lastReviewedCommit": commit} if commit else {}
        approved = status == "APPROVED"
        return {"user": self.user(name), "role": role, "approved": approved, "status": status} | seen

    def _ref(self, branch: str, sha: str, fork_of: str | None) -> Body:
        return {
            "id": f"refs/heads/{branch}",
            "displayId": branch,
            "latestCommit": sha,
            "type": "BRANCH",
            "repository": self.repository(fork_of=fork_of),
        }

    def _activity(self, action: str, by: str, at: datetime) -> Body:
        return {"createdDate": _ms(at), "user": self.user(by), "action": action}

    def _commented(self, comment: Comment) -> Body:
        told = {"commentAction": "ADDED", "comment": self.comment(comment)}
        return self._activity("COMMENTED", comment.by, comment.at) | told


def names(given: Iterable[Mapping[str, Mapping[str, str]]]) -> list[str]:
    """Who stands in a list of reviewers."""
    return [each["user"]["name"] for each in given]


def _ms(at: datetime | None) -> int | None:
    return int(at.timestamp() * 1000) if at else None


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")
