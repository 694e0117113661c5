"""What requests say: the fields of a form, and who is at the other end."""

from urllib.parse import parse_qs

from starlette.requests import Request

from estafeta.net.peers import address_of

_MOST_FIELDS = 10


def client_of(request: Request) -> str:
    """The IP address at the other end."""
    return address_of(tuple(request.client) if request.client is not None else None)


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a form, of each the first; none where these are not ours."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
