"""The pull requests of a repository on Bitbucket Cloud, by its REST API."""

import base64
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from pydantic import TypeAdapter, ValidationError

from app.clients.forges.answers import quoted_words
from app.clients.forges.bitbucket.answers import (
    AccountAnswer,
    CommentAnswer,
    ErrorAnswer,
    Item,
    Ourselves,
    Page,
    PermissionAnswer,
    PullAnswer,
    RepositoryAnswer,
    edited,
    is_same_repository,
    quoted,
    to_pull_request,
    to_seen,
)
from app.clients.forges.errors import (
    ForgeRefused,
    Hosted,
    RepositoryMoved,
    RepositoryNotVisible,
    UnknownPullRequest,
    WrongForge,
)
from app.clients.forges.limits import Limits, without_budget
from app.clients.forges.rest import Rejected, RestClient, segment
from app.core.errors import Refused
from app.core.ports import Capabilities, GitMerge, PullRequest, PullRequestDraft, PullRequestSeen, Rights

# Of pull requests a page has no more.
_PAGE = "50"
_MOST_PAGES = 40
# Whoever looks wants the open one, or one that ended lately.
_MOST_ENDED = 10
_EVERY_STATE = tuple(("state", each) for each in ("OPEN", "MERGED", "DECLINED", "SUPERSEDED"))
_PULLS, _COMMENTS = TypeAdapter(Page[PullAnswer]), TypeAdapter(Page[CommentAnswer])
_PERMISSIONS = TypeAdapter(Page[PermissionAnswer])
_MAY_WRITE = frozenset({"write", "admin"})
_CORRECT = "kind: bitbucket speaks only to Bitbucket Cloud: set forge.api_url to https://api.bitbucket.org/2.0"
_SCOPES = "read and write repositories and pull requests"


class Bitbucket:
    """The pull requests of one repository, `workspace/slug`, with a token that is read at each request.

    With a `user`, the e-mail address of an Atlassian account, it is that account's API token; without, an access token
    of the repository, project or workspace. `account_uuid` is for access tokens that may not ask whose they are.
    One request at a time; nothing is retried. `spend` is given the number of requests that write before the first of
    them, and may raise Unavailable.
    """

    capabilities = Capabilities(can_reopen=False, has_labels=False, opening_may_update=True, hides_html_comments=False)

    def __init__(  # noqa: PLR0913 - one argument a setting, two for budget and tests
        self,
        repository: str,
        *,
        token: Callable[[], str],
        user: str | None = None,
        account_uuid: str | None = None,
        base_url: str = "https://api.bitbucket.org/2.0",
        timeout_s: float = 15,
        ca_file: Path | None = None,
        proxy: str | None = None,
        spend: Callable[[int], None] = without_budget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        workspace, _, slug = repository.partition("/")
        self._at, self._url = Hosted("Bitbucket Cloud", repository), base_url.rstrip("/")
        self._place = f"/repositories/{segment(workspace)}/{segment(slug)}"
        self._user, self._token = user, token
        self._named = Ourselves(account_uuid, account_uuid) if account_uuid is not None else None
        self._known: tuple[str, Ourselves] | None = None
        self._is_known = False
        self._rest = RestClient(
            self._at,
            self._url,
            authorization=self._authorization,
            limits=Limits(self._at, spend=spend, clock=clock),
            timeout_s=timeout_s,
            ca_file=ca_file,
            proxy=proxy,
        )

    def product(self) -> str:
        """Its name; it has no version. Raises WrongForge, RepositoryMoved."""
        with self._asking():
            return self._at.product

    def account(self) -> str:
        """What we call the account that the token belongs to: its nickname, or the uuid of the settings."""
        with self._asking():
            return self._ourselves().name

    def rights(self, *, base: str) -> Rights:
        """Whether we may push; of an access token, which is nobody's, Bitbucket does not tell."""
        del base
        query = {"q": f"repository.full_name={quoted(self._at.repository)}"}
        with self._asking():
            try:
                found = self._rest.get("/user/permissions/repositories", query).read_as(_PERMISSIONS).values
            except ForgeRefused:
                return Rights()
        return Rights(may_push=any(one.permission in _MAY_WRITE for one in found) if found else None)

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        """Pull requests from this branch of the repository, newest first: those open and the last ten that ended."""
        with self._asking():
            query = [("q", f"source.branch.name={quoted(head)}"), *_EVERY_STATE, ("sort", "-created_on")]
            found = self._pages("/pullrequests", [*query, ("pagelen", _PAGE)], _PULLS)
            ours = [pull for pull in found if pull.source.branch.name == head and not self._own(pull).is_from_fork]
            ended = [pull.id for pull in ours if pull.state != "OPEN"][:_MOST_ENDED]
            # Only one that is asked for by its number tells who approved it.
            open_ones = {pull.id: self._read(pull.id) for pull in ours if pull.state == "OPEN"}
            wanted = [open_ones.get(pull.id, pull) for pull in ours if pull.id in open_ones or pull.id in ended]
            return [to_pull_request(pull, self._ourselves()) for pull in wanted]

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        """Those from branches of the repository below `prefix`/, in any state, that changed last, newest first.

        At most `limit` pull requests are looked at, whosever they are; each fifty cost one request.
        """
        with self._asking():
            query = [*_EVERY_STATE, ("sort", "-updated_on"), ("pagelen", _PAGE)]
            return self._ours(islice(self._pages("/pullrequests", query, _PULLS), limit), prefix)

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        """Those that are open from branches of the repository below `prefix`/, of the oldest two thousand."""
        with self._asking():
            query = [("state", "OPEN"), ("sort", "created_on"), ("pagelen", _PAGE)]
            return self._ours(self._pages("/pullrequests", query, _PULLS), prefix)

    def pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises UnknownPullRequest."""
        with self._asking(number):
            return self._shown(number)

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        """Open it; one that is already open from that head into that base is returned instead.

        One is looked for first: to open what is open already would give it this title and body. That happens only to
        one that somebody opened in between.
        """
        with self._asking():
            number = self._already_open(draft)
            if number is None:
                wanted = {
                    "title": draft.title,
                    "description": draft.body,
                    "source": {"branch": {"name": draft.head}},
                    "destination": {"branch": {"name": draft.base}},
                }
                answer = self._rest.ask("POST", self._place + "/pullrequests", body=wanted)
                number = self._own(answer.read(PullAnswer)).id
            return self._shown(number)

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        """Replace title and body of an open one; Bitbucket Cloud knows no versions. Raises UnknownPullRequest."""
        del version
        with self._asking(number):
            self._rest.ask("PUT", self._pull_place(number), body=edited(self._read(number), title=title, body=body))

    def comment(self, number: int, text: str) -> None:
        """Say something in the pull request. Raises UnknownPullRequest."""
        with self._asking(number):
            self._rest.ask("POST", self._pull_place(number) + "/comments", body={"content": {"raw": text}})

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        """What we said in the pull request since then, oldest first, of at most two thousand comments.

        Raises UnknownPullRequest.
        """
        with self._asking(number):
            us, query = self._ourselves(), [("sort", "created_on"), ("pagelen", _PAGE)]
            listed = list(self._pages(f"/pullrequests/{number:d}/comments", query, _COMMENTS))
            ours = [one for one in listed if one.user is not None and one.user.uuid == us.uuid and not one.deleted]
            return [one.content.raw for one in ours if one.created_on >= since]

    def close_pull_request(self, number: int) -> PullRequest:
        """Decline it, which nobody can take back; an ended one stays as it is. Raises UnknownPullRequest."""
        with self._asking(number):
            if self._read(number).state == "OPEN":
                self._rest.ask("POST", self._pull_place(number) + "/decline")
            return self._shown(number)

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """Show it as it is: Bitbucket sees by itself, a moment later, that its head came into its base."""
        del merge
        return self.pull_request(number)

    @contextmanager
    def _asking(self, number: int | None = None) -> Iterator[None]:
        """Let one caller ask at a time, and say errors by who must act; `number` is what is asked for."""
        with self._rest.alone():
            try:
                self._identify()
                yield
            except Rejected as no:
                raise self._explained(no, number) from no

    def _authorization(self) -> str:
        if self._user is None:
            return f"Bearer {self._token()}"
        return "Basic " + base64.b64encode(f"{self._user}:{self._token()}".encode()).decode()

    def _identify(self) -> None:
        """See once, by the repository that everything is about, that it is Bitbucket Cloud."""
        if self._is_known:
            return
        try:
            answer = self._rest.get(self._place)
        except Rejected as no:
            if _error(no) is not None:
                raise
            raise WrongForge(self._url, f"no Bitbucket Cloud: it answers {no.status}", correct=_CORRECT) from no
        try:
            found = RepositoryAnswer.model_validate(answer.data)
        except ValidationError as error:
            raise WrongForge(self._url, "no Bitbucket Cloud: it shows no repository", correct=_CORRECT) from error
        if not is_same_repository(found.full_name, self._at.repository):
            raise RepositoryMoved(self._at, found.full_name)
        self._is_known = True

    def _ourselves(self) -> Ourselves:
        """Whose the token is, asked once for each: a new access token is another account."""
        if self._named is not None:
            return self._named
        shown = self._authorization()
        if self._known is None or self._known[0] != shown:
            try:
                found = self._rest.get("/user").read(AccountAnswer)
            except Rejected as no:
                problem = (
                    "the token may not ask whose it is; give an API token the scope read:user:bitbucket, or for an "
                    "access token set forge.account to the uuid of its account"
                )
                raise ForgeRefused(self._at, problem) from no
            self._known = shown, Ourselves(found.uuid, found.name)
        return self._known[1]

    def _explained(self, no: Rejected, number: int | None) -> Refused | UnknownPullRequest:
        if no.status == HTTPStatus.NOT_FOUND:
            if not self._is_visible():
                return RepositoryNotVisible(self._at)
            return UnknownPullRequest(self._at, number) if number is not None else no
        if no.status == HTTPStatus.FORBIDDEN:
            told = _error(no)
            needed = f"the scopes {', '.join(map(repr, told.required))}" if told and told.required else _SCOPES
            return ForgeRefused(self._at, f"{no.status}, {quoted_words(no.data)}; the token needs {needed}")
        return no

    def _is_visible(self) -> bool:
        try:
            self._rest.get(self._place)
        except Rejected:
            return False
        return True

    def _pull_place(self, number: int) -> str:
        return f"{self._place}/pullrequests/{number:d}"

    def _read(self, number: int) -> PullAnswer:
        return self._own(self._rest.get(self._pull_place(number)).read(PullAnswer))

    def _shown(self, number: int) -> PullRequest:
        return to_pull_request(self._read(number), self._ourselves())

    def _own(self, pull: PullAnswer) -> PullAnswer:
        base = pull.destination.repository
        if base is not None and not is_same_repository(base.full_name, self._at.repository):
            raise RepositoryMoved(self._at, base.full_name)
        return pull

    def _already_open(self, draft: PullRequestDraft) -> int | None:
        wanted = f"source.branch.name={quoted(draft.head)} AND destination.branch.name={quoted(draft.base)}"
        query = [("q", wanted), ("state", "OPEN"), ("pagelen", _PAGE)]
        for pull in self._pages("/pullrequests", query, _PULLS):
            sides = pull.source.branch.name, pull.destination.branch.name
            if sides == (draft.head, draft.base) and not self._own(pull).is_from_fork:
                return pull.id
        return None

    def _pages(self, place: str, query: list[tuple[str, str]], page: TypeAdapter[Page[Item]]) -> Iterator[Item]:
        """What is on the pages of a list. Of the address of the next one only the query is taken: ours stays ours."""
        for _ in range(_MOST_PAGES):
            found = self._rest.get(self._place + place, query).read_as(page)
            yield from found.values
            query = _query_of(found.next) if found.next and found.values else []
            if not query:
                return

    def _ours(self, listed: Iterable[PullAnswer], prefix: str) -> Sequence[PullRequestSeen]:
        """Those from our branches in the repository itself. One that changes between two pages stands on both."""
        found: dict[int, PullRequestSeen] = {}
        for pull in listed:
            if self._own(pull).source.branch.name.startswith(f"{prefix}/") and not pull.is_from_fork:
                found.setdefault(pull.id, to_seen(pull))
        return list(found.values())


def _query_of(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query)
    except ValueError:
        return []


def _error(no: Rejected) -> ErrorAnswer | None:
    """What Bitbucket says; None where somebody else said it."""
    try:
        return ErrorAnswer.model_validate(no.data)
    except ValidationError:
        return None
