"""One repository has several addresses: of a build's checkouts the one counts whose URL is most like that."""

import pytest

from app.core.builds.checkouts import checkout_of
from app.core.facts import Checkout

FLEET = "https://git.acme.example/acme/fleet.git"


def at(url: str) -> Checkout:
    return Checkout(url, "a" * 40, "main")


@pytest.mark.parametrize(
    ("urls", "url", "found"),
    [
        pytest.param(["https://git.acme.example/libs/steps", FLEET], FLEET, FLEET, id="the same"),
        pytest.param([FLEET, "git@git.acme.example:acme/fleet"], FLEET, FLEET, id="of those alike the first"),
        pytest.param(
            ["git@git.acme.example:acme/steps.git", "ssh://git@git.acme.example:7999/acme/fleet.git"],
            FLEET,
            "ssh://git@git.acme.example:7999/acme/fleet.git",
            id="another protocol",
        ),
        pytest.param(
            ["https://git.acme.example/old/fleet", "https://mirror.acme.example/acme/fleet"],
            FLEET,
            "https://mirror.acme.example/acme/fleet",
            id="the path before the name",
        ),
        pytest.param(["/srv/git/libs.git", "/srv/git/fleet.git"], FLEET, "/srv/git/fleet.git", id="the name alone"),
        pytest.param(["https://git.acme.example/acme/fleet-steps"], FLEET, None, id="another name"),
        pytest.param(["https://[broken", "", "https://git.acme.example"], FLEET, None, id="no address"),
        pytest.param([FLEET], "", None, id="of no repository"),
        pytest.param([], FLEET, None, id="none"),
    ],
)
def test_the_checkout_of_a_repository_is_found_by_its_url(urls: list[str], url: str, found: str | None) -> None:
    chosen = checkout_of(map(at, urls), url)
    assert (chosen.url if chosen is not None else None) == found
