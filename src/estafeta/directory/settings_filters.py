"""Settings of filters and of the quarantine (row F1)."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from estafeta.core.errors import EstafetaError
from estafeta.directory.filters import MAX_TEXT, parse_filters
from estafeta.directory.settings_base import Section
from estafeta.directory.settings_fields import WebBase


class Hostile(StrEnum):
    """What becomes of a message that was made to be dear to look at."""

    KEEP = "keep"
    REJECT = "reject"
    SCORE = "score"
    PASS = "pass"  # noqa: S105 - a word, no password


def _checked(text: str) -> str:
    try:
        parse_filters(text)
    except EstafetaError as error:
        raise ValueError(error.public.rstrip(".")) from None
    return text


FilterText = Annotated[str, AfterValidator(_checked)]


class Filters(Section):
    """Filters for messages of everybody: docs/guides/filters.md."""

    rules: FilterText = Field(
        default="",
        max_length=MAX_TEXT,
        description="The filters, as TOML. `estafeta filter import FILE` and `filter export` are made for it, and say "
        "on which line something is wrong.",
    )
    hostile: Hostile = Field(
        default=Hostile.KEEP,
        description="What becomes of mail that goes beyond what is looked at in a way that good mail does not: "
        "archives in archives in archives, a thousand parts, what unpacks to a hundred times its size. keep: held in "
        "quarantine; reject: refused; score: 4 points; pass: delivered, parts unseen.",
    )


class Quarantine(Section):
    """Mail that is held until a person decides."""

    keep_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long it is held; then it is deleted. Counts for what comes from now.",
    )
    digest: bool = Field(
        default=True,
        description="Once a day, write to users what was held for them since, with links to release it where the "
        "filter lets them.",
    )
    link_base: WebBase = Field(
        default="",
        max_length=200,
        description="Beginning of the links in it, as in https://mail.example.org. Empty: this server's own https "
        "address, if it has a certificate that others can check; none: no links.",
    )
