"""Whether a client waits for its turn, and how long a stranger waits for the greeting.

RFC 5321 4.3.1: a client waits for the greeting. RFC 2920 3.1: EHLO, and DATA, end a group of commands, and without
PIPELINING each command waits for its answer. What sends spam writes all at once into the connection and goes.
"""

import asyncio
from collections.abc import Awaitable

from estafeta.net.pump import Pump
from estafeta.policy.chain import who_is
from estafeta.policy.checks import Who
from estafeta.policy.facts import Facts
from estafeta.protocols.smtp.limits import Mode
from estafeta.protocols.smtp.server import SmtpServer


def greet(pump: Pump, machine: SmtpServer, facts: Facts, delay_seconds: float) -> Awaitable[None] | None:
    """The greeting: at once, or for strangers after a while. Notes who did not wait for it."""
    if who_is(facts) is not Who.STRANGERS:
        machine.greeting()
        return None
    # Inside TLS the client has to begin, and did.
    facts.early = not machine.tls and pump.has_input()
    # On the ports for users everybody is a stranger until signed in.
    if delay_seconds > 0 and facts.mode is Mode.SMTP:
        return _greet_later(machine, facts, delay_seconds)
    machine.greeting()
    return None


async def _greet_later(machine: SmtpServer, facts: Facts, delay_seconds: float) -> None:
    await asyncio.sleep(delay_seconds)
    note_turn(machine, facts)
    machine.greeting()


def note_turn(machine: SmtpServer, facts: Facts) -> None:
    """Called where a client has to wait for an answer before it says more."""
    if machine.buffered:
        facts.early = True
