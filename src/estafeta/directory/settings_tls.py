"""Types of the settings for TLS outward."""

from typing import Annotated

from pydantic import AfterValidator

from estafeta.core.errors import EstafetaError
from estafeta.trust.tlsrules import parse_tls_rule


def _tls_rule(line: str) -> str:
    try:
        parse_tls_rule(line)
    except EstafetaError as error:
        raise ValueError(error.public.rstrip(".")) from None
    return line.strip()


def _path_or_empty(text: str) -> str:
    path = text.strip()
    if path and not path.startswith("/"):
        raise ValueError(f"{text!r} is not the whole path of a file")
    return path


TlsRuleLine = Annotated[str, AfterValidator(_tls_rule)]
PathOrEmpty = Annotated[str, AfterValidator(_path_or_empty)]
