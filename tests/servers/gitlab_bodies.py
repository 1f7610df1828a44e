"""Bodies in GitLab's own shapes, as its REST API v4 and its webhooks have them."""

from datetime import UTC, datetime, timedelta
from zlib import crc32

from tests.servers.pulls import Comment, MergeMethod, Pull, PullEvent, PushEvent, Review
from tests.servers.rest_answers import Body

PROJECT_ID = 61
_ACTIONS = {"opened": "open", "closed": "close", "reopened": "reopen", "edited": "update", "synchronize": "update"}


class Bodies:
    """Writes bodies for one project; every URL in them lies under `origin`.

    `methods` tells how each merge request was merged, where it was not by a merge commit.
    """

    def __init__(self, *, origin: str, full_name: str) -> None:
        self.origin, self.full_name = origin, full_name
        self.methods: dict[int, MergeMethod] = {}
        self.is_archived = False
        self.access_level = 30

    def account(self, login: str) -> Body:
        """Anyone, as they stand in other bodies."""
        return {
            "id": crc32(login.encode()),
            "username": login,
            "name": login.title(),
            "state": "active",
            "web_url": f"{self.origin}/{login}",
        }

    def project(self) -> Body:
        """The answer to GET on the project, cut to what matters here."""
        return {
            "id": PROJECT_ID,
            "path": self.full_name.rpartition("/")[2],
            "path_with_namespace": self.full_name,
            "default_branch": "main",
            "web_url": f"{self.origin}/{self.full_name}",
            "archived": self.is_archived,
            "merge_requests_enabled": True,
            "merge_method": "merge",
            "permissions": {"project_access": {"access_level": self.access_level}, "group_access": None},
        }

    def merge_request(self, pull: Pull, *, merge_status: str) -> Body:
        """A merge request; lists and single answers differ in nothing that matters here."""
        return {
            "id": 7000 + pull.number,
            "iid": pull.number,
            "project_id": PROJECT_ID,
            "title": pull.title.strip(),
            "description": pull.body,
            "state": _state(pull),
            "created_at": _instant(pull.created_at),
            "updated_at": _instant(pull.updated_at),
            "merged_by": self._maybe_account(pull.merged_by),
            "merge_user": self._maybe_account(pull.merged_by or pull.auto_merge_by),
            "merged_at": _instant(pull.merged_at),
            "closed_by": None if pull.merged_at else self._maybe_account(pull.closed_by),
            "closed_at": None if pull.merged_at else _instant(pull.closed_at),
            "target_branch": pull.base,
            "source_branch": pull.head,
            "author": self.account(pull.author),
            "assignees": [],
            "reviewers": [],
            "source_project_id": crc32(pull.fork_of.encode()) if pull.fork_of else PROJECT_ID,
            "target_project_id": PROJECT_ID,
            "labels": sorted(pull.labels),
            "draft": False,
            "merge_when_pipeline_succeeds": pull.is_open and pull.auto_merge_by is not None,
            "merge_status": merge_status,
            "detailed_merge_status": _detailed(pull, merge_status),
            "has_conflicts": merge_status == "cannot_be_merged",
            "sha": pull.head_sha,
            **self._merged(pull),
            "reference": f"!{pull.number}",
            "references": {
                "short": f"!{pull.number}",
                "relative": f"!{pull.number}",
                "full": f"{self.full_name}!{pull.number}",
            },
            "web_url": f"{self.origin}/{self.full_name}/-/merge_requests/{pull.number}",
        }

    def approvals(self, pull: Pull) -> Body:
        """Who approved it, whichever head they saw: without a paid setting GitLab forgets none."""
        standing = [self._approval(review) for review in standing_approvals(pull)]
        return {"user_has_approved": False, "user_can_approve": False, "approved": True, "approved_by": standing}

    def versions(self, pull: Pull) -> list[Body]:
        """Its newest head and since when. A second apart: pushes and approvals here may share one."""
        earlier = [one.at for one in pull.reviews if one.commit != pull.head_sha]
        since = max(earlier, default=pull.created_at - timedelta(seconds=1)) + timedelta(seconds=1)
        return [{"id": 110, "head_commit_sha": pull.head_sha, "created_at": _instant(since), "state": "collected"}]

    def note(self, comment: Comment) -> Body:
        """One comment."""
        return {
            "id": comment.number,
            "body": comment.text,
            "author": self.account(comment.by),
            "created_at": _instant(comment.at),
            "updated_at": _instant(comment.at),
            "system": False,
            "noteable_type": "MergeRequest",
        }

    def system_note(self, pull: Pull) -> Body:
        """What GitLab itself writes down, in the name of whoever did it."""
        opened = Comment(0, pull.author, "assigned to @mira", pull.created_at)
        return self.note(opened) | {"system": True}

    def pull_event(self, event: PullEvent) -> Body:
        """The payload of a `Merge Request Hook`."""
        pull = event.pull
        action = "merge" if event.action == "closed" and pull.merged_at else _ACTIONS[event.action]
        return {
            "object_kind": "merge_request",
            "event_type": "merge_request",
            "user": self._event_user(event.by),
            "project": self._event_project(),
            "object_attributes": {
                "id": 7000 + pull.number,
                "iid": pull.number,
                "title": pull.title,
                "description": pull.body,
                "state": _state(pull),
                "action": action,
                **({"oldrev": "0" * 40} if event.action == "synchronize" else {}),
                "source_branch": pull.head,
                "target_branch": pull.base,
                "source_project_id": crc32(pull.fork_of.encode()) if pull.fork_of else PROJECT_ID,
                "target_project_id": PROJECT_ID,
                **self._merged(pull),
                "last_commit": {"id": pull.head_sha},
                "created_at": f"{pull.created_at:%Y-%m-%d %H:%M:%S} UTC",
                "updated_at": f"{pull.updated_at:%Y-%m-%d %H:%M:%S} UTC",
            },
            "labels": [],
            "changes": {},
        }

    def push_event(self, event: PushEvent) -> Body:
        """The payload of a `Push Hook`, its commits left out."""
        return {
            "object_kind": "push",
            "event_name": "push",
            "before": event.before,
            "after": event.after,
            "ref": f"refs/heads/{event.branch}",
            "checkout_sha": event.after if event.after.strip("0") else None,
            "user_username": event.by,
            "project_id": PROJECT_ID,
            "project": self._event_project(),
            "commits": [],
            "total_commits_count": 0,
        }

    def _merged(self, pull: Pull) -> Body:
        commit = pull.merge_commit if pull.merged_at else None
        method = self.methods.get(pull.number, "merge")
        return {
            "merge_commit_sha": commit if method == "merge" else None,
            "squash_commit_sha": commit if method == "squash" else None,
        }

    def _approval(self, review: Review) -> Body:
        return {"user": self.account(review.by), "approved_at": _instant(review.at)}

    def _event_user(self, login: str) -> Body:
        return {"id": crc32(login.encode()), "name": login, "username": login, "email": "[REDACTED]"}

    def _event_project(self) -> Body:
        return {"id": PROJECT_ID, "path_with_namespace": self.full_name, "default_branch": "main"}

    def _maybe_account(self, login: str | None) -> Body | None:
        return self.account(login) if login else None


def standing_approvals(pull: Pull) -> list[Review]:
    """The last approval of each who did not take it back; a comment or a request for changes takes none back."""
    last = {one.by: one for one in pull.reviews if one.state in {"APPROVED", "DISMISSED"}}
    return [one for one in last.values() if one.state == "APPROVED"]


def _state(pull: Pull) -> str:
    if pull.merged_at is not None:
        return "merged"
    return "opened" if pull.is_open else "closed"


def _detailed(pull: Pull, merge_status: str) -> str:
    if not pull.is_open:
        return "not_open"
    known = {"can_be_merged": "mergeable", "cannot_be_merged": "conflict"}
    return known.get(merge_status, merge_status)


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") if at else None
