"""The two kinds of proof that most senders have: one that stands in the head, and a signature over the raw body."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from app.senders.proofs import (
    expect_hmac,
    verify_headers,
    verify_hmac,
    verify_shared_secret,
    verify_token,
    verify_token_or_basic,
)
from app.senders.sender import Keys, WebhookRequest


@dataclass(frozen=True, slots=True)
class HeadProof:
    """A proof that says nothing of the body: who has read the head has seen all of it."""

    check: Callable[[WebhookRequest, Keys], None]

    def verify(self, request: WebhookRequest, keys: Keys, _now: datetime) -> None:
        """Check it. Raises NoKeyConfigured, ProofMissing, WrongProof."""
        self.check(request, keys)

    def prove_head(self, request: WebhookRequest, keys: Keys, _now: datetime) -> bool:
        """Check it: it is the whole proof. Raises NoKeyConfigured, ProofMissing, WrongProof."""
        self.check(request, keys)
        return True


@dataclass(frozen=True, slots=True)
class BodySignature:
    """An HMAC of the raw body in a header, of which the head tells only whether there is one."""

    header: str
    algorithms: Collection[str] = ("sha256",)

    def verify(self, request: WebhookRequest, keys: Keys, _now: datetime) -> None:
        """Check it. Raises NoKeyConfigured, ProofMissing, WrongProof."""
        verify_hmac(request, keys, header=self.header, signed=request.body, algorithms=self.algorithms)

    def prove_head(self, request: WebhookRequest, keys: Keys, _now: datetime) -> bool:
        """See that there is one. Raises NoKeyConfigured, ProofMissing."""
        expect_hmac(request, keys, header=self.header, algorithms=self.algorithms)
        return False


HEADERS = HeadProof(verify_headers)
URL_TOKEN = HeadProof(verify_token)
TOKEN_OR_BASIC = HeadProof(verify_token_or_basic)
SHARED_SECRET = HeadProof(verify_shared_secret)
