"""The server shows, to whoever asks, that it knows the token of its data folder, and by nothing else."""

from urllib.parse import urlsplit

import pytest

from app.core.server_proof import proof_of
from tests.web.site import LOCAL, OPERATE, Site

NONCE, OTHER = "0a" * 32, "0b" * 32


def test_the_proof_is_of_the_token_the_nonce_and_the_address(light_site: Site) -> None:
    url = urlsplit(str(light_site.client.base_url))
    port = url.port or 0
    answer = light_site.client.get("/proof", params={"nonce": NONCE}, headers={"Host": "elsewhere.example:1"})
    assert answer.text == proof_of(LOCAL, NONCE, host="127.0.0.1", port=port)
    others = [
        proof_of(OPERATE, NONCE, host="127.0.0.1", port=port),
        proof_of(LOCAL, OTHER, host="127.0.0.1", port=port),
        proof_of(LOCAL, NONCE, host="127.0.0.2", port=port),
        proof_of(LOCAL, NONCE, host="127.0.0.1", port=port + 1),
    ]
    assert len({answer.text, *others}) == 5


def test_an_address_of_ipv4_is_one_however_a_socket_writes_it() -> None:
    mapped = proof_of(LOCAL, NONCE, host="::ffff:127.0.0.1", port=80)
    assert mapped == proof_of(LOCAL, NONCE, host="127.0.0.1", port=80)
    assert mapped != proof_of(LOCAL, NONCE, host="::1", port=80)


@pytest.mark.parametrize("nonce", [None, "", "0a" * 31, "0a" * 33, "0A" * 32, f"{NONCE}\n", "fluxbridge"])
def test_nothing_but_a_nonce_is_answered(light_site: Site, nonce: str | None) -> None:
    answer = light_site.client.get("/proof", params={} if nonce is None else {"nonce": nonce})
    assert answer.status_code == 422
