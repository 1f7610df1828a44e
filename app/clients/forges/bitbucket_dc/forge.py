"""The pull requests of a repository on Bitbucket Data Center, by its REST API."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from app.clients.forges.answers import quoted_words
from app.clients.forges.bitbucket_dc.answers import (
    BRANCHES,
    ActivityAnswer,
    ErrorsAnswer,
    Item,
    MergeAnswer,
    Page,
    PropertiesAnswer,
    PullAnswer,
    RepositoryAnswer,
    edited,
    is_same_repository,
    last_of,
    reference,
    to_pull_request,
    to_seen,
)
from app.clients.forges.errors import (
    ForgeRefused,
    ForgeUnavailable,
    Hosted,
    OutdatedEdit,
    RepositoryMoved,
    RepositoryNotVisible,
    TokenNotAccepted,
    UnknownPullRequest,
    WrongForge,
)
from app.clients.forges.limits import Limits, without_budget
from app.clients.forges.rest import Answer, Query, Rejected, RestClient, segment
from app.core.errors import Refused
from app.core.ports import (
    Capabilities,
    GitMerge,
    PullRequest,
    PullRequestDraft,
    PullRequestSeen,
    PullRequestState,
    Rights,
)

_PAGE = 100
_MOST_PAGES = 20
# Whoever looks wants the open one, or one that ended lately.
_MOST_ENDED = 10
_TRIES = 3
# The server takes 32,768.
_LONGEST_BODY = 32_000
_PULLS, _ACTIVITIES = TypeAdapter(Page[PullAnswer]), TypeAdapter(Page[ActivityAnswer])
_CORRECT = "kind: bitbucket-dc speaks only to Bitbucket Data Center: set forge.api_url to https://HOST/rest/api/1.0"
_NEEDED = "give the token the permission 'Repository write'"


class BitbucketDC:
    """The pull requests of one repository, `KEY/slug`, with an HTTP access token that is read at each request.

    One request at a time; nothing is retried but an edit that somebody else's change overtook. `spend` is given the
    number of requests that write before the first of them, and may raise Unavailable.
    """

    capabilities = Capabilities(
        has_labels=False, edits_need_version=True, hides_html_comments=False, longest_body=_LONGEST_BODY
    )

    def __init__(  # noqa: PLR0913 - one argument a setting, two for budget and tests
        self,
        repository: str,
        *,
        token: Callable[[], str],
        base_url: str,
        timeout_s: float = 15,
        ca_file: Path | None = None,
        proxy: str | None = None,
        spend: Callable[[int], None] = without_budget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key, _, self._slug = repository.partition("/")
        self._at, self._url = Hosted("Bitbucket Data Center", repository), base_url.rstrip("/")
        self._place = f"/projects/{segment(self._key)}/repos/{segment(self._slug)}"
        self._product: str | None = None
        self._rest = RestClient(
            self._at,
            self._url,
            authorization=lambda: f"Bearer {token()}",
            limits=Limits(self._at, spend=spend, clock=clock),
            timeout_s=timeout_s,
            ca_file=ca_file,
            proxy=proxy,
        )

    def product(self) -> str:
        """Bitbucket with its version, as it says itself. Raises WrongForge."""
        with self._rest.alone():
            return self._identified()

    def account(self) -> str:
        """The login that the token belongs to; of a project's or repository's token it is one made for it."""
        with self._asking():
            return self._whose()

    def rights(self, *, base: str) -> Rights:
        """Whether the repository is archived: what the token may do there, Bitbucket does not tell."""
        del base
        with self._asking():
            return Rights(is_archived=self._rest.get(self._place).read(RepositoryAnswer).archived)

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        """Pull requests from this branch of the repository, newest first: those open and the last ten that ended."""
        with self._asking():
            ours = sorted(self._from(head, state="ALL"), key=lambda pull: pull.id, reverse=True)
            ended = [pull.id for pull in ours if pull.state != "OPEN"][:_MOST_ENDED]
            return [self._shown(pull) for pull in ours if pull.state == "OPEN" or pull.id in ended]

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        """Those from branches of the repository below `prefix`/, in any state, that changed last, newest first.

        At most `limit` pull requests are looked at, whosever they are. What Bitbucket calls newest it does not say, so
        they are put in order here.
        """
        with self._asking():
            listed = islice(self._listed(state="ALL", order="NEWEST"), limit)
            changed_last = sorted(listed, key=lambda pull: pull.updated_date, reverse=True)
            return self._ours(changed_last, prefix)

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        """Those that are open from branches of the repository below `prefix`/, of the oldest two thousand."""
        with self._asking():
            return self._ours(self._listed(state="OPEN", order="OLDEST"), prefix)

    def pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises UnknownPullRequest."""
        with self._asking(number):
            return self._shown(self._read(number))

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        """Open it; one that is already open from that head into that base is returned instead.

        One is looked for first: to ask for what is there already would cost a write and give nothing.
        """
        with self._asking():
            for pull in self._from(draft.head, state="OPEN"):
                if pull.to_ref.id == BRANCHES + draft.base:
                    return self._shown(pull)
            return self._shown(self._create(draft))

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        """Replace title and body; reviewers stay. Raises UnknownPullRequest, OutdatedEdit.

        Without a `version` one that was changed meanwhile is read again, a few times.
        """

        def put(pull: PullAnswer) -> None:
            if version is not None and str(pull.version) != version:
                raise OutdatedEdit(self._at, number)
            self._rest.ask("PUT", self._pull_place(number), body=edited(pull, title=title, body=body))

        with self._asking(number):
            self._change(number, put, is_once=version is not None)

    def comment(self, number: int, text: str) -> None:
        """Say something in the pull request. Raises UnknownPullRequest."""
        with self._asking(number):
            self._rest.ask("POST", self._pull_place(number) + "/comments", body={"text": text})

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        """What we said in the pull request since then, oldest first, of the last two thousand things that happened.

        Raises UnknownPullRequest.
        """
        with self._asking(number):
            account = self._whose()
            said = [one.comment for one in self._activities(number) if one.comment_action == "ADDED" and one.comment]
            ours = [one for one in said if one.author.name == account and one.created_date >= since]
            # They come newest first, also those of one millisecond.
            ours.reverse()
            return [one.text for one in sorted(ours, key=lambda one: one.created_date)]

    def close_pull_request(self, number: int) -> PullRequest:
        """Decline it; one that is declined or merged stays as it is. Raises UnknownPullRequest."""

        def decline(pull: PullAnswer) -> None:
            if pull.state == "OPEN":
                place, version = self._pull_place(number) + "/decline", pull.version
                self._rest.ask("POST", place, query={"version": str(version)}, body={"version": version})

        with self._asking(number):
            self._change(number, decline)
            return self._shown(self._read(number))

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """Show it as it is: Bitbucket sees by itself, a moment later, that its head came into its base."""
        del merge
        return self.pull_request(number)

    @contextmanager
    def _asking(self, number: int | None = None) -> Iterator[None]:
        """Let one caller ask at a time, and say errors by who must act; `number` is what is asked for."""
        with self._rest.alone():
            self._identified()
            try:
                yield
            except TokenNotAccepted as error:
                raise self._unauthorised(error) from error
            except Rejected as no:
                raise self._explained(no, number) from no

    def _identified(self) -> str:
        """What it is, asked once."""
        if self._product is None:
            try:
                told = self._rest.get("/application-properties").read(PropertiesAnswer)
            except Rejected as no:
                found = f"no Bitbucket Data Center: it answers {no.status} to /application-properties"
                raise WrongForge(self._url, found, correct=_CORRECT) from no
            if told.display_name != "Bitbucket":
                raise WrongForge(self._url, f"{told.display_name[:60]!r}, not Bitbucket", correct=_CORRECT)
            self._product = f"Bitbucket Data Center {told.version[:60]}"
        return self._product

    def _whose(self) -> str:
        """The login of whoever asks, which only a header of every answer tells."""
        name = unquote(self._rest.get("/application-properties").headers.get("x-ausername", ""))
        if not name or name == "anonymous":
            problem = "it does not say whose the token is; let what stands before it pass its header X-AUSERNAME on"
            raise ForgeRefused(self._at, problem)
        return name

    def _unauthorised(self, error: TokenNotAccepted) -> Refused:
        """What 401 means: it also stands for what a known token may not do. Raises TokenNotAccepted."""
        try:
            self._whose()
        except ForgeRefused:
            return error
        if self._is_visible():
            return ForgeRefused(self._at, f"the token may not do this; {_NEEDED}")
        return RepositoryNotVisible(self._at)

    def _explained(self, no: Rejected, number: int | None) -> Refused | UnknownPullRequest:
        if no.status == HTTPStatus.NOT_FOUND:
            if not self._is_visible():
                return RepositoryNotVisible(self._at)
            return UnknownPullRequest(self._at, number) if number is not None else no
        if no.says("archived"):
            problem = "the repository is archived; unarchive it, or set mode: observe for this config repository"
            return ForgeRefused(self._at, problem)
        if no.status == HTTPStatus.FORBIDDEN:
            return ForgeRefused(self._at, f"{no.status}, {quoted_words(no.data)}; {_NEEDED}")
        return no

    def _is_visible(self) -> bool:
        try:
            self._rest.get(self._place)
        except (Rejected, TokenNotAccepted):
            return False
        return True

    def _pull_place(self, number: int) -> str:
        return f"{self._place}/pull-requests/{number:d}"

    def _read(self, number: int) -> PullAnswer:
        return self._own(self._rest.get(self._pull_place(number)).read(PullAnswer))

    def _own(self, pull: PullAnswer) -> PullAnswer:
        name = pull.to_ref.repository.name
        if not pull.is_from_fork and not is_same_repository(name, self._at.repository):
            raise RepositoryMoved(self._at, name)
        return pull

    def _pages(self, place: str, query: Query, page: TypeAdapter[Page[Item]]) -> Iterator[Item]:
        """What is on the pages of a list, up to twenty; one that begins no later than the one before is the last."""
        start: int | None = 0
        for _ in range(_MOST_PAGES):
            at = {**dict(query), "limit": str(_PAGE), "start": str(start)}
            found = self._rest.get(self._place + place, at).read_as(page)
            yield from found.values
            following = None if found.is_last_page else found.next_page_start
            if following is None or following <= (start or 0):
                return
            start = following

    def _listed(self, *, state: str, order: str) -> Iterator[PullAnswer]:
        """Pull requests into any branch of the repository. One that changes between two pages may stand on both."""
        return self._pages("/pull-requests", {"state": state, "order": order}, _PULLS)

    def _from(self, head: str, *, state: str) -> Iterator[PullAnswer]:
        """Those from a branch of the repository; into another one, of which it is a fork, they are none of ours.

        None where the branch is not there and Bitbucket says so.
        """
        query = {"state": state, "order": "NEWEST", "direction": "OUTGOING", "at": BRANCHES + head}
        try:
            for pull in self._pages("/pull-requests", query, _PULLS):
                if pull.from_ref.id == BRANCHES + head and not pull.is_from_fork:
                    yield self._own(pull)
        except Rejected as no:
            if no.status != HTTPStatus.NOT_FOUND or not self._is_visible():
                raise

    def _ours(self, listed: Iterable[PullAnswer], prefix: str) -> Sequence[PullRequestSeen]:
        found: dict[int, PullRequestSeen] = {}
        for pull in listed:
            if self._own(pull).head.startswith(f"{prefix}/") and not pull.is_from_fork:
                found.setdefault(pull.id, to_seen(pull))
        return list(found.values())

    def _create(self, draft: PullRequestDraft) -> PullAnswer:
        wanted = {
            "title": draft.title,
            "description": draft.body,
            "fromRef": reference(BRANCHES + draft.head, self._key, self._slug),
            "toRef": reference(BRANCHES + draft.base, self._key, self._slug),
        }
        try:
            made = self._rest.ask("POST", self._place + "/pull-requests", body=wanted).read(PullAnswer)
        except Rejected as no:
            # Somebody opened it since it was looked for.
            if (there := _existing(no)) is None:
                raise
            made = there
        return self._own(made)

    def _change(self, number: int, change: Callable[[PullAnswer], None], *, is_once: bool = False) -> None:
        """Read it and change what was read, anew where somebody was quicker. Raises OutdatedEdit where `is_once`."""
        for _ in range(_TRIES):
            try:
                return change(self._read(number))
            except Rejected as no:
                if not _errors(no).is_for("PullRequestOutOfDateException"):
                    raise
                if is_once:
                    raise OutdatedEdit(self._at, number) from no
        raise ForgeUnavailable(self._at, f"had pull request {number} changed by others {_TRIES} times meanwhile")

    def _activities(self, number: int) -> Iterator[ActivityAnswer]:
        return self._pages(f"/pull-requests/{number:d}/activities", {}, _ACTIVITIES)

    def _ended(self, pull: PullAnswer) -> ActivityAnswer | None:
        """How it ended; usually that is on the first page."""
        activities, action = self._activities(pull.id), pull.state
        while some := list(islice(activities, _PAGE)):
            if (found := last_of(some, action)) is not None:
                return found
        return None

    def _shown(self, pull: PullAnswer) -> PullRequest:
        """A pull request with what is told of it elsewhere."""
        is_open = pull.outcome is PullRequestState.OPEN
        merge = self._if_there(pull, "/merge") if is_open else None
        return to_pull_request(
            pull,
            url=f"{self._url.rpartition('/rest/api/')[0]}{self._place}/pull-requests/{pull.id}",
            ended=None if is_open else self._ended(pull),
            has_conflict=merge.read(MergeAnswer).has_conflict if merge else None,
            merges_by_itself=is_open and self._if_there(pull, "/auto-merge") is not None,
        )

    def _if_there(self, pull: PullAnswer, what: str) -> Answer | None:
        """What is told of an open pull request: not of one that was just closed, nor by every version."""
        try:
            return self._rest.get(self._pull_place(pull.id) + what)
        except Rejected as no:
            if no.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.CONFLICT}:
                return None
            raise


def _errors(no: Rejected) -> ErrorsAnswer:
    try:
        return ErrorsAnswer.model_validate(no.data)
    except ValidationError:
        return ErrorsAnswer()


def _existing(no: Rejected) -> PullAnswer | None:
    """The pull request that is open already, where that is why."""
    told = _errors(no)
    if not told.is_for("DuplicatePullRequestException"):
        return None
    return next((one.existing_pull_request for one in told.errors if one.existing_pull_request), None)
