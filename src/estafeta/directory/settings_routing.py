"""Types of the lines in the sections routing, rewrite, queue and dns: checked by the parsers that read them later."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from estafeta.core.backoff import parse_retry_rule
from estafeta.core.errors import EstafetaError
from estafeta.dns.servers import parse_name_server
from estafeta.routing.parsing import parse_host, parse_route_rule, parse_server, parse_source
from estafeta.routing.patterns import parse_pattern
from estafeta.routing.rewriterules import join_lines, parse_lookup_line, parse_rule


def checked_by(parse: Callable[[str], object], *, empty: bool = False) -> AfterValidator:
    """A validator that takes what `parse` understands, and with `empty` an empty text; blanks around it go."""

    def check(text: str) -> str:
        text = text.strip()
        if text or not empty:
            try:
                parse(text)
            except EstafetaError as error:
                raise ValueError(error.public.rstrip(".")) from error
        return text

    return AfterValidator(check)


def _joined(value: object) -> object:
    """Lines put together where a backslash says that they go on."""
    if isinstance(value, list | tuple) and all(isinstance(line, str) for line in value):
        return join_lines(value)
    return value


HostLine = Annotated[str, checked_by(parse_host)]
RouteRuleLine = Annotated[str, checked_by(parse_route_rule)]
SourceLine = Annotated[str, checked_by(parse_source)]
ServerOrEmpty = Annotated[str, checked_by(parse_server, empty=True)]
DomainPattern = Annotated[str, checked_by(parse_pattern)]
RewriteRuleLines = Annotated[tuple[Annotated[str, checked_by(parse_rule)], ...], BeforeValidator(_joined)]
RetryRuleLine = Annotated[str, checked_by(parse_retry_rule)]
LookupLine = Annotated[str, checked_by(parse_lookup_line)]
NameServerText = Annotated[str, checked_by(parse_name_server)]
