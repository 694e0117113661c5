"""The brake of a session: counts what a user sends, holds what is too much, and tells an operator (policy.sending)."""

import logging
from collections.abc import Awaitable, Callable

from estafeta.core.clock import Clock
from estafeta.directory.model import Account
from estafeta.directory.settings_restrictions import Rates
from estafeta.directory.settings_source import SettingsSource
from estafeta.mail.address import Address
from estafeta.mailboxes.service import Submit
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.names import Senders
from estafeta.policy.sending import Counted, Sending, count_sending
from estafeta.policy.verdict import Action, quarantined

log = logging.getLogger("estafeta.policy")

#: What holds such mail, as `estafeta quarantine list --filter` has it.
HOLDER = "sending-rate"

Tell = Callable[[Account, str, str], Awaitable[None]]
"""Tells an operator: whose mail is held, why, and to which address that is told."""


class Brake:
    """One for each worker. `tell` may fail: the log and `estafeta status` say it all the same."""

    def __init__(self, submit: Submit, settings: SettingsSource, clock: Clock, tell: Tell) -> None:
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._exempt: tuple[Rates, Senders] | None = None

    async def apply(self, facts: Facts, judgement: Judgement) -> Judgement:
        """Count a message that was judged; held where it is too much. Raises EstafetaError where nobody could count."""
        account, rates = facts.account, self._settings.current.rates
        wanted = account is not None and rates.max_recipients_per_day and facts.recipients
        if account is None or not wanted or judgement.action >= Action.DISCARD or self._is_exempt(account, rates):
            return judgement
        sending = Sending(
            account.account_id,
            len(facts.recipients),
            int(self._clock()),
            rates.max_recipients_per_day,
            rates.max_recipients_per_hour,
            rates.max_times_normal,
        )
        counted: Counted = await self._submit(count_sending, sending, ())
        if not counted.held:
            return judgement
        if counted.begun:
            await self._say(account, counted.reason, rates)
        verdict = quarantined(f"{account.address} sent too much: {counted.reason}", HOLDER)._replace(check=HOLDER)
        return judgement._replace(verdicts=(*judgement.verdicts, verdict), decisive=verdict)

    async def _say(self, account: Account, reason: str, rates: Rates) -> None:
        log.warning("mail is held: user=%s reason=%r", account.address, reason)
        if not rates.tell:
            return
        to = rates.tell if "@" in rates.tell else f"{rates.tell}@{account.address.rpartition('@')[2]}"
        try:
            await self._tell(account, reason, to)
        except Exception:  # whatever keeps the letter from being written must not cost the message
            log.exception("nobody was told that mail of %s is held", account.address)

    def _is_exempt(self, account: Account, rates: Rates) -> bool:
        if self._exempt is None or self._exempt[0] is not rates:
            self._exempt = (rates, Senders(rates.exempt))
        local, _, domain = account.address.rpartition("@")
        return Address(local, domain) in self._exempt[1]
