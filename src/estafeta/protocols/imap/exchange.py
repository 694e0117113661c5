"""AUTHENTICATE: the mechanism's challenges and the client's lines (RFC 9051 6.2.2, SASL-IR of RFC 4959)."""

from estafeta.protocols.imap.commands import Authenticate, Authenticated, AuthFailed, AuthNeed
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.lines import LongLine
from estafeta.protocols.imap.machine import Machine, Talk
from estafeta.protocols.imap.parse_auth import initial_response, parse_authenticate
from estafeta.protocols.sasl import Failure, Prompt, Reason, Success


def authenticate(machine: Machine, scanner: Scanner) -> Talk:
    """Read the command and drive the exchange until it is answered."""
    command = parse_authenticate(scanner)
    machine.initial = initial_response(scanner)
    if machine.pending is not None:
        raise CommandError
    machine.bad_commands = 0
    yield command
    while machine.exchange is not None and not machine.closed:
        yield from _step(machine, command)


def _step(machine: Machine, command: Authenticate) -> Talk:
    match machine.progress:
        case Prompt(line):
            machine.put(b"+ %b\r\n" % line)
            yield from _receive(machine)
        case Success(authcid, authzid):
            machine.exchange = None
            yield Authenticated(authcid, authzid, command.mechanism)
        case Failure(reason, authcid):
            machine.exchange = None
            yield AuthFailed(reason, authcid, command.mechanism)
        case None:
            machine.exchange = None
        case need:
            yield AuthNeed(need)


def _receive(machine: Machine) -> Talk:
    """The client's next line."""
    while (line := machine.input.take_line(machine.limits.exchange_octets)) is None:
        yield None
    if machine.exchange is None:
        return
    if isinstance(line, LongLine):
        machine.progress = Failure(Reason.MALFORMED, machine.exchange.authcid)
    else:
        machine.progress = machine.exchange.receive(line)
