"""Bodies that are the JSON itself, or a form with it in the one field `payload`: GitHub sends either, as it is set."""

from urllib.parse import parse_qs

from app.senders.sender import Unusable, WebhookRequest

_FORM = "application/x-www-form-urlencoded"


def is_form(request: WebhookRequest) -> bool:
    """Tell whether the body is a form, by its head."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM


def json_of(request: WebhookRequest) -> bytes:
    """The JSON text of a body or of its form. Raises Unusable."""
    if not is_form(request):
        return request.body
    try:
        payloads = parse_qs(request.body.decode(), max_num_fields=10, errors="strict").get("payload", [])
    except ValueError:
        payloads = []
    if len(payloads) != 1:
        raise Unusable("it is no form with one field `payload`")
    return payloads[0].encode()
