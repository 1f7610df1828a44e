"""Whether a build was of a change request: decided here, for every builder of them, whoever reported the build.

A branch source names the job after it (PR-12, MR-12, CHANGE-12, or Gerrit's 34/1234/5); the pull request builders hand
it over as parameters; a checkout tells it by its ref, a cause by its kind. In doubt it is one: its tags are no
candidates, which `explain` says, where a change request that passes for a branch would be deployed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from urllib.parse import unquote

from app.core.facts import BuildFinished

_NAMED = re.compile(r"(?:PR|MR|CHANGE)-([0-9]{1,18})(?:-head|-merge)?|[0-9]{2}/([0-9]{1,18})/[0-9]{1,9}")
_FULL_REF = re.compile(
    r"refs/(?:remotes/[^/]+/)?"
    r"(?:pull|pr|pull-requests|merge-requests|changes/[0-9]{2})/([0-9]{1,18})(?:/[A-Za-z0-9_-]{1,40})?"
)
# Without `refs/` it may be a branch that somebody called so, unless it ends as only these refs do.
_SHORT_REF = re.compile(
    r"(?:remotes/)?(?:[^/]+/)?(?:(?:pull|pr)/([0-9]{1,18})/(?:head|merge)|pull-requests/([0-9]{1,18})/(?:from|merge)"
    r"|merge-requests/([0-9]{1,18})(?:/(?:head|merge|train))?|changes/[0-9]{2}/([0-9]{1,18})/[0-9]{1,9})"
)
_GERRITS = re.compile(r"(?:[^:]*/)?[0-9]{2}/[0-9]{1,18}/[0-9]{1,9}")
_ID = re.compile(r"#?([1-9][0-9]{0,17})")
_NOT_A_WORD = re.compile(r"[^a-z0-9]")
# Names of parameters as `_plain` has them.
_IDS = frozenset(
    {
        *("ghprbpullid", "githubprnumber", "giteapullrequestid", "giteapullrequestnumber", "giteaprnumber"),
        *("gitlabmergerequestiid", "gitlabmergerequestid", "mergerequestiid", "mergerequestid", "mriid", "mrid"),
        *("cimergerequestiid", "cimergerequestid", "mrnumber", "mergerequestnumber"),
        *("bitbucketpullrequestid", "pullrequestid", "pullrequestnumber", "pullrequestiid", "prid", "prnumber"),
        *("systempullrequestpullrequestid", "systempullrequestpullrequestnumber", "changenumber"),
    }
)
_GITLAB_IDS = frozenset({"gitlabmergerequestiid", "gitlabmergerequestid"})
_REFS = frozenset(
    {
        *("sha1", "ref", "gitref", "branch", "gitbranch", "branchname", "gitrefspec", "refspec", "gerritrefspec"),
        *("buildsourcebranch", "sourcebranchname", "changeref"),
    }
)
_MERGED_EVENTS = frozenset({"change-merged", "ref-updated", "ref-replicated", "ref-replication-done"})
_PUSHES = frozenset({"PUSH", "TAG_PUSH"})
_ACCEPTED = frozenset({"merged"})
_NOTHING = frozenset({"", "null", "None", "none", "undefined", "false"})
_UNNUMBERED = "unnumbered"
_CAUSES = ("GhprbCause", "GitHubPRCause", "BitbucketCause", "StashCause")
_GITLAB_CAUSE = "GitLabWebHookCause"
_IN_WORDS = re.compile(r"(?:merge|pull) request[^0-9]{0,20}([1-9][0-9]{0,17})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why Jenkins started a build: the class of the cause, and Jenkins' words for it."""

    kind: str
    words: str


def change_request_of(build: BuildFinished) -> str | None:
    """The change request that a build was of, by all that its report names; None: of none."""
    refs = [ref for ref in (build.branch, build.git_tag) if ref]
    return _text_of(build.change_id) or find_change_request(build.job, refs=refs, parameters=build.parameters)


def find_change_request(
    job: str, *, refs: Iterable[str] = (), parameters: Mapping[str, str], causes: Sequence[Cause] = ()
) -> str | None:
    """The number, or other name, of the change request that a build was of; `refs` are what it checked out.

    >>> find_change_request("team/app/PR-12-merge", parameters={})
    '12'
    >>> find_change_request("team/app", parameters={"ghprbPullId": "42"}, refs=["detached"])
    '42'
    >>> merged = {"GERRIT_CHANGE_NUMBER": "7", "GERRIT_EVENT_TYPE": "change-merged"}
    >>> find_change_request("team/app/main", parameters=merged)
    """
    named = next(filter(None, map(_in_name, job.split("/"))), None)
    if named is not None:
        return named
    told = _Told(parameters)
    every = [*refs, *told.refs]
    if told.is_merged_by_gerrit:
        every = [ref for ref in every if not _GERRITS.fullmatch(_name_of(ref))]
    counting = [one for one in causes if not (told.is_over_at_gitlab and _kind_of(one) == _GITLAB_CAUSE)]
    return (
        told.first("changeid")
        or told.number
        or next(filter(None, map(_in_ref, every)), None)
        or next(filter(None, map(_in_cause, counting)), None)
    )


class _Told:
    """What parameters say, by their plain names; one of several spellings takes nothing back that another says."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in parameters.items():
            self._values.setdefault(_plain(name), []).append(value.strip())

    @property
    def refs(self) -> Sequence[str]:
        """What was checked out."""
        return [value for name in sorted(_REFS & self._values.keys()) for value in self._values[name]]

    @property
    def is_merged_by_gerrit(self) -> bool:
        """Whether Gerrit tells of a branch, which what it merged is on: only its own numbers and refs count no more."""
        return self._are_all("gerriteventtype", _MERGED_EVENTS)

    @property
    def is_over_at_gitlab(self) -> bool:
        """The same of GitLab: a merge request that was accepted is on its branch."""
        return self._are_all("gitlabactiontype", _PUSHES) or self._are_all("gitlabmergerequeststate", _ACCEPTED)

    @property
    def number(self) -> str | None:
        """The change request that a builder names."""
        gerrit = None if self.is_merged_by_gerrit else self.first("gerritchangenumber") or self.first("gerritchangeid")
        if gerrit:
            return gerrit
        names = _IDS - _GITLAB_IDS if self.is_over_at_gitlab else _IDS
        values = [value for name in sorted(names & self._values.keys()) for value in self._values[name]]
        ids = [match[1] for value in values if (match := _ID.fullmatch(value))]
        if not ids and "MERGE" in self._values.get("gitlabactiontype", ()) and not self.is_over_at_gitlab:
            return self.first("gitlabsourcebranch") or _UNNUMBERED
        return ids[0] if ids else None

    def first(self, name: str) -> str | None:
        """The first value of a name that is one."""
        return next(filter(None, map(_text_of, self._values.get(name, ()))), None)

    def _are_all(self, name: str, those: AbstractSet[str]) -> bool:
        values = self._values.get(name, ())
        return bool(values) and those >= set(values)


def _plain(name: str) -> str:
    return _NOT_A_WORD.sub("", name.lower())


def _text_of(text: str | None) -> str | None:
    """A text that names something: an unset variable becomes `null` in Groovy's strings, or stays as it was written."""
    return None if text is None or text in _NOTHING or text.startswith("$") else text


def _in_name(segment: str) -> str | None:
    found = _NAMED.fullmatch(unquote(segment))
    return found[1] or found[2] if found else None


def _in_ref(ref: str) -> str | None:
    if ref.startswith("refs/heads/"):
        return None
    name = _name_of(ref)
    found = _FULL_REF.fullmatch(name) or _SHORT_REF.fullmatch(name)
    if found is None:
        return _in_name(name)
    return next(filter(None, found.groups()), None)


def _name_of(ref: str) -> str:
    """A refspec names the ref before its colon."""
    return ref.lstrip("+").partition(":")[0]


def _kind_of(cause: Cause) -> str:
    return cause.kind.rpartition(".")[2]


def _in_cause(cause: Cause) -> str | None:
    kind = _kind_of(cause)
    number = _IN_WORDS.search(cause.words[:500])
    if kind == _GITLAB_CAUSE:
        return number[1] if number else None
    if kind not in _CAUSES:
        return None
    return number[1] if number else _UNNUMBERED
