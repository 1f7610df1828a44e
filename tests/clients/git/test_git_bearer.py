"""A token that git shows as Bearer, as those of a repository on Bitbucket Data Center must be."""

from pathlib import Path

import pytest

from app.clients.git.remote import TokenUnusable
from app.core.errors import Refused
from app.core.ports import BranchUpdate, PushOutcome
from tests.clients.git.git_worlds import OURS, http_remote, open_mirror
from tests.clients.git.test_git_remote import command_lines
from tests.servers.git_http import GitServer

BEARER, ROBOT = "bbdc_never-to-be-seen", "robot"


def environments() -> list[bytes]:
    """What the programs that we may look into were started with, git's own left out."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if b"git" not in (each / "comm").read_bytes():
                found.append((each / "environ").read_bytes())
        except OSError:
            continue
    return found


def test_a_token_without_a_user_fetches_and_pushes_as_its_account_and_stands_nowhere(
    git_host: GitServer, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    git_host.bearers[BEARER] = ROBOT
    git_host.on_request = lambda: seen.extend([*(line.encode() for line in command_lines()), *environments()])
    git_host.create("fleet").commit("main", {"app.yaml": "tag: 1\n"})
    mirror = open_mirror(http_remote(git_host, "fleet", lambda: (None, BEARER)), tmp_path / "mirror.git")
    head = mirror.fetch()["main"]
    assert mirror.push([BranchUpdate(OURS, head, None)])[OURS].outcome is PushOutcome.DONE
    assert {each.user for each in git_host.requests} == {ROBOT}
    assert seen
    assert not [each for each in seen if BEARER.encode() in each]
    kept = [each for each in (tmp_path / "mirror.git").rglob("*") if each.is_file()]
    assert not [each for each in kept if BEARER.encode() in each.read_bytes()]


def test_a_bearer_token_that_is_not_known_needs_an_operator(git_host: GitServer, tmp_path: Path) -> None:
    git_host.create("fleet")
    mirror = open_mirror(http_remote(git_host, "fleet", lambda: (None, BEARER)), tmp_path / "mirror.git")
    with pytest.raises(Refused, match="check the URL, the credentials") as refusal:
        mirror.fetch()
    assert BEARER not in f"{refusal.value} {refusal.value.__cause__}"


@pytest.mark.parametrize("token", ["", "a b", "token\r\nX-Other: 1", "tökn"])
def test_a_token_that_cannot_stand_in_a_header_is_not_sent(git_host: GitServer, tmp_path: Path, token: str) -> None:
    git_host.create("fleet")
    mirror = open_mirror(http_remote(git_host, "fleet", lambda: (None, token)), tmp_path / "mirror.git")
    with pytest.raises(TokenUnusable) as refusal:
        mirror.fetch()
    assert not token or token not in str(refusal.value)
    assert not git_host.requests
