"""The table of docs/forges.md that the forges' capabilities make: between `<!-- forges -->` and `<!-- end -->`."""

import re
from collections.abc import Callable, Iterator, Mapping

from app.clients.forges.bitbucket.forge import Bitbucket
from app.clients.forges.bitbucket_dc.forge import BitbucketDC
from app.clients.forges.gitea.forge import Gitea
from app.clients.forges.github.forge import GitHub
from app.clients.forges.gitlab.forge import GitLab
from app.clients.forges.local.forge import LocalForge
from app.core.ports import Capabilities

FORGES: Mapping[str, Capabilities] = {
    "bitbucket": Bitbucket.capabilities,
    "bitbucket-dc": BitbucketDC.capabilities,
    "gitea": Gitea.capabilities,
    "github": GitHub.capabilities,
    "gitlab": GitLab.capabilities,
    "local": LocalForge.capabilities,
}
_MARKED = re.compile(r"(<!-- forges -->\n).*?(<!-- end -->)", re.DOTALL)
_ROWS: Mapping[str, Callable[[Capabilities], bool | int]] = {
    "tells who closed a pull request": lambda its: its.tells_who_closed,
    "reopens one": lambda its: its.can_reopen,
    "has labels": lambda its: its.has_labels,
    "refuses an edit of what somebody changed since": lambda its: its.edits_need_version,
    "shows nothing of HTML comments": lambda its: its.hides_html_comments,
    "characters of a body, at most": lambda its: its.longest_body,
}


def with_forges(text: str) -> str:
    """The page with its table made anew."""
    return _MARKED.sub(rf"\1{''.join(_lines())}\2", text)


def _lines() -> Iterator[str]:
    kinds = sorted(FORGES)
    yield f"| | {' | '.join(f'`{kind}`' for kind in kinds)} |\n|---{'|---' * len(kinds)}|\n"
    for words, told in _ROWS.items():
        yield f"| {words} | {' | '.join(_shown(told(FORGES[kind])) for kind in kinds)} |\n"


def _shown(value: bool | int) -> str:  # noqa: FBT001 (what a cell has)
    match value:
        case True:
            return "yes"
        case False:
            return "no"
        case _:
            return f"{value:,}"
