"""Bodies in the shapes of Bitbucket Cloud, as its description and captured webhooks have them."""

from datetime import datetime
from uuid import NAMESPACE_DNS, uuid5

from tests.servers.pulls import Comment, Pull, PullEvent, PushEvent
from tests.servers.rest_answers import Body

_CUT = 12
_VERDICTS = {"APPROVED": "approved", "CHANGES_REQUESTED": "changes_requested"}


def uuid_of(name: str) -> str:
    """The id of an account or repository, in braces as they come."""
    return f"{{{uuid5(NAMESPACE_DNS, name)}}}"


class Bodies:
    """Writes bodies for one repository, `workspace/slug`; `reviewers` are who was asked, by pull request.

    `nicknames` are what accounts call themselves where it is not their login here: two may say the same.
    """

    def __init__(self, *, api_url: str, html_url: str, full_name: str) -> None:
        self.api_url, self.html_url, self.full_name = api_url, html_url, full_name
        self.reviewers: dict[int, list[str]] = {}
        self.nicknames: dict[str, str] = {}

    def account(self, login: str) -> Body:
        """Anyone; nobody has a login."""
        return {
            "type": "user",
            "display_name": login.title(),
            "uuid": uuid_of(login),
            "account_id": f"557058:{login}",
            "nickname": self.nicknames.get(login, login),
            "links": {"html": {"href": f"{self.html_url}/{uuid_of(login)}/"}},
        }

    def repository(self, *, fork_of: str | None = None) -> Body:
        """The repository itself, or somebody's fork of it."""
        name = f"{fork_of}/{self.full_name.partition('/')[2]}" if fork_of else self.full_name
        return {
            "type": "repository",
            "full_name": name,
            "name": name.partition("/")[2],
            "uuid": uuid_of(name),
            "links": {"html": {"href": f"{self.html_url}/{name}"}},
        }

    def whole_repository(self) -> Body:
        """The answer to GET on the repository."""
        return self.repository() | {"scm": "git", "is_private": True, "mainbranch": {"type": "branch", "name": "main"}}

    def pull(self, pull: Pull, *, base_sha: str) -> Body:
        """A pull request as lists and webhooks have it."""
        merge = {"type": "commit", "hash": pull.merge_commit[:_CUT]} if pull.merge_commit else None
        return {
            "type": "pullrequest",
            "id": pull.number,
            "title": pull.title,
            "description": pull.body or "",
            "summary": {"type": "rendered", "raw": pull.body or "", "markup": "markdown", "html": ""},
            "state": "OPEN" if pull.is_open else "MERGED" if pull.merged_at else "DECLINED",
            "draft": False,
            "queued": False,
            "author": self.account(pull.author),
            "source": self._side(pull.head, pull.head_sha, pull.fork_of),
            "destination": self._side(pull.base, base_sha, None),
            "merge_commit": merge,
            "closed_by": self.account(pull.closed_by) if pull.closed_by else None,
            "close_source_branch": False,
            "comment_count": len(pull.comments),
            "task_count": 0,
            "reason": "",
            "created_on": _instant(pull.created_at),
            "updated_on": _instant(pull.updated_at),
            "links": {
                "self": {"href": f"{self.api_url}/repositories/{self.full_name}/pullrequests/{pull.number}"},
                "html": {"href": f"{self.html_url}/{self.full_name}/pull-requests/{pull.number}"},
            },
        }

    def whole_pull(self, pull: Pull, *, base_sha: str) -> Body:
        """A pull request that was asked for by its number: only then people are told."""
        asked = self.reviewers.get(pull.number, [])
        verdicts = {one.by: one for one in pull.reviews if one.state != "COMMENTED"}
        people = [
            {
                "type": "participant",
                "user": self.account(name),
                "role": "REVIEWER" if name in asked else "PARTICIPANT",
                "approved": name in verdicts and verdicts[name].state == "APPROVED",
                "state": _VERDICTS.get(verdicts[name].state) if name in verdicts else None,
                "participated_on": _instant(verdicts[name].at) if name in verdicts else None,
            }
            for name in dict.fromkeys([*asked, *verdicts])
        ]
        told = {"participants": people, "reviewers": [self.account(name) for name in asked]}
        return self.pull(pull, base_sha=base_sha) | told

    def comment(self, comment: Comment) -> Body:
        """One comment."""
        return {
            "type": "pullrequest_comment",
            "id": comment.number,
            "created_on": _instant(comment.at),
            "updated_on": _instant(comment.at),
            "content": {"type": "rendered", "raw": comment.text, "markup": "markdown", "html": ""},
            "user": self.account(comment.by),
            "deleted": False,
            "pending": False,
        }

    def error(self, message: str, detail: object = None) -> Body:
        """What Bitbucket answers where it does not do it."""
        return {"type": "error", "error": {"message": message} | ({"detail": detail} if detail else {})}

    def pull_event(self, event: PullEvent, body: Body) -> Body:
        """The payload of an event of a pull request."""
        return {"pullrequest": body, "repository": self.repository(), "actor": self.account(event.by)}

    def push_event(self, event: PushEvent) -> Body:
        """The payload of `repo:push`."""
        change: Body = {
            "old": self._target(event.branch, event.before),
            "new": self._target(event.branch, event.after),
            "created": not event.before.strip("0"),
            "closed": not event.after.strip("0"),
            "forced": False,
            "truncated": False,
            "commits": [],
        }
        return {"push": {"changes": [change]}, "repository": self.repository(), "actor": self.account(event.by)}

    def _target(self, branch: str, sha: str) -> Body | None:
        if not sha.strip("0"):
            return None
        return {"type": "branch", "name": branch, "target": {"type": "commit", "hash": sha}}

    def _side(self, branch: str, sha: str, fork_of: str | None) -> Body:
        return {
            "branch": {"name": branch},
            "commit": {"type": "commit", "hash": sha[:_CUT]},
            "repository": self.repository(fork_of=fork_of),
        }


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
