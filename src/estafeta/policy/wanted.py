"""Checks by the lists of senders (policy.senderlists): the site's refuses and lets pass, a user's files.

Whom the site blocks is refused, by MAIL FROM before there is a message and by From after. Whom it allows gets points
that outweigh all others; refusals for what a message is (filters, DMARC) stand. What a user blocks goes into that
user's Junk, and what a user allows does not, whatever it is for others.
"""

from collections.abc import Sequence
from functools import partial

from estafeta.directory.model import LocalTarget
from estafeta.directory.settings_model import Settings
from estafeta.policy.checks import Check, Stage
from estafeta.policy.facts import Facts
from estafeta.policy.names import takes_from_everybody
from estafeta.policy.senderlists import SITE, Action, Match, SenderLists, decide
from estafeta.policy.verdict import Verdict, rejected, scored

SITE_LIST = "senders"
USER_LISTS = "senders-of-users"
#: More than anything else comes to.
DECISIVE_POINTS = 100.0
# An address can stand for thousands: of more, only the first are asked for what they want.
_MAX_ACCOUNTS = 200


def checks(lists: SenderLists) -> tuple[Check, ...]:
    """The rows; the last one belongs at the end of the table."""
    return (
        Check(SITE_LIST, Stage.MAIL, "senders that the site blocks or allows: MAIL FROM", judge_envelope,
              partial(_find_site, lists), light=True),
        Check(USER_LISTS, Stage.RCPT, "what the recipient blocks or allows", judge_nothing,
              partial(_find_users, lists), light=True),
        Check("senders-of-message", Stage.CONTENT, "senders that the site or a recipient blocks or allows",
              judge_message),
    )  # fmt: skip


def is_allowed(facts: Facts) -> bool:
    """Whether the site wants to hear of this sender, as far as it is known by now."""
    match = _of_site(facts)
    return match is not None and match.action is Action.ALLOW


def is_allowed_by_recipient(facts: Facts) -> bool:
    """Whether the site or one of the recipients so far wants to."""
    return is_allowed(facts) or any(match is not None and match.action is Action.ALLOW for _, match in _of_users(facts))


def is_for_postmaster(facts: Facts) -> bool:
    """Whether `facts.recipient` is one that takes everything."""
    return facts.recipient is not None and takes_from_everybody(facts.recipient[0])


def _is_all_for_postmaster(facts: Facts) -> bool:
    return bool(facts.recipients) and all(takes_from_everybody(address) for address, _ in facts.recipients)


async def _find_site(lists: SenderLists, facts: Facts, settings: Settings) -> dict[str, Action]:
    return (await lists.of((SITE,))).get(SITE, {})


async def _find_users(lists: SenderLists, facts: Facts, settings: Settings) -> dict[int, dict[str, Action]]:
    """With those of earlier recipients."""
    known = facts.found.get(USER_LISTS)
    known = known if isinstance(known, dict) else {}
    targets = facts.recipient[1].targets if facts.recipient is not None else ()
    accounts = [target.account_id for target in targets[:_MAX_ACCOUNTS] if isinstance(target, LocalTarget)]
    if not accounts or len(known) >= _MAX_ACCOUNTS:
        return known
    return known | await lists.of(accounts)


def judge_envelope(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """A sender that is blocked here."""
    match = _of_site(facts)
    if match is None or match.action is not Action.BLOCK:
        return ()
    return (_blocked(match),)


def judge_nothing(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """The lists of users are judged when the message is there."""
    return ()


def judge_message(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """With From, and with what is proven by signatures."""
    verdicts = []
    match = _of_site(facts)
    if match is not None and (match.action is Action.ALLOW or not _is_all_for_postmaster(facts)):
        words = f"{match.address} is allowed here ({match.pattern})"
        verdicts.append(_blocked(match) if match.action is Action.BLOCK else scored(-DECISIVE_POINTS, words))
    for account, match in _of_users(facts):
        if match is None:
            continue
        block = match.action is Action.BLOCK
        words = f"{match.address} is {'blocked' if block else 'allowed'} by the recipient ({match.pattern})"
        points = DECISIVE_POINTS if block else -DECISIVE_POINTS
        verdicts.append(scored(points, words)._replace(account=account))
    return verdicts


def _of_site(facts: Facts) -> Match | None:
    found = facts.found.get(SITE_LIST)
    return decide(found, facts) if found and isinstance(found, dict) else None


def _of_users(facts: Facts) -> list[tuple[int, Match | None]]:
    found = facts.found.get(USER_LISTS)
    if not found or not isinstance(found, dict):
        return []
    return [(account, decide(entries, facts)) for account, entries in found.items()]


def _blocked(match: Match) -> Verdict:
    return rejected("Mail from this sender is not wanted here", f"{match.address} is blocked here ({match.pattern})")
