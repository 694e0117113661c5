"""A header that no check reads to its end is refused, whoever sends it.

Beyond the limits of `policy.fields` another From, or fields that claim to be ours, would come past all checks and be
read by mail programs all the same. No program that sends mail comes near: a thousand addresses in To are 50 KiB.
"""

from collections.abc import Sequence

from estafeta.directory.settings_model import Settings
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.facts import Facts
from estafeta.policy.fields import MAX_FIELDS, MAX_HEADER_OCTETS
from estafeta.policy.verdict import Verdict, rejected

_TOO_LONG = rejected(
    f"The header of the message is too long: {MAX_HEADER_OCTETS >> 10} KiB and {MAX_FIELDS} fields are the most",
    "the header is too long",
    552,
    "5.3.4",
)


def checks() -> tuple[Check, ...]:
    """The row."""
    return (Check("header-size", Stage.HEADERS, "a header that is too long to be looked at", judge, who=Who.EVERYBODY),)


def judge(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Whether it goes on behind what is read of it."""
    content = facts.content
    if content is None:
        return ()
    header = content.header
    # Large messages have it cut; a message may also consist of its header alone.
    is_cut = not content.empty_line and content.size > len(header)
    # A field has three octets at least; so of most messages they need not be read for this.
    is_long = len(header) > MAX_HEADER_OCTETS or (len(header) > 3 * MAX_FIELDS and content.fields.count > MAX_FIELDS)
    return (_TOO_LONG,) if is_cut or is_long else ()
