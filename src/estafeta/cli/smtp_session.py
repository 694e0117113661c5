"""`estafeta smtp-session`: plays an SMTP session as a client from some address, and shows every check."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import site_of

if TYPE_CHECKING:
    from estafeta.app.rehearsal import Rehearsal

_MOST_LINE_BYTES = 1 << 17


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command(name="smtp-session")(smtp_session)


def smtp_session(
    context: typer.Context,
    from_ip: Annotated[str, typer.Option("--from-ip", metavar="ADDRESS", help="The client's IP address.")],
    service: Annotated[
        str, typer.Option("--service", metavar="NAME", help="smtp, submission, submissions or lmtp.")
    ] = "smtp",
    tls: Annotated[bool, typer.Option("--tls", help="As if inside TLS from the start.")] = False,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="Sign in as this user after EHLO; no password is asked for.")
    ] = "",
    mail: Annotated[str, typer.Option("--mail", metavar="ADDRESS", help="Read no commands: send from here ...")] = "",
    to: Annotated[list[str] | None, typer.Option("--to", metavar="ADDRESS", help="... to these; repeatable.")] = None,
) -> None:
    """Play an SMTP session with this server's own settings, directory and routes, and show each check beside the reply.

    Commands are read from standard input. Nothing is stored or sent: what would be is told. TLS is only pretended.
    """
    import asyncio
    from ipaddress import ip_address

    from estafeta.protocols.smtp.limits import Mode

    modes = {"smtp": Mode.SMTP, "submission": Mode.SUBMISSION, "submissions": Mode.SUBMISSION, "lmtp": Mode.LMTP}
    if service not in modes:
        raise typer.BadParameter(f"--service must be one of {', '.join(modes)}")
    try:
        peer = str(ip_address(from_ip))
    except ValueError:
        raise typer.BadParameter("--from-ip must be an IP address") from None
    script = _script(modes[service] is Mode.LMTP, mail, to or []) if mail or to else None

    async def play() -> None:
        from estafeta.app.rehearsal import Rehearsal
        from estafeta.app.rehearsal_parts import TellingHandler, logging_to

        rehearsal = Rehearsal(
            site, _tell, peer=peer, mode=modes[service], tls=tls or service == "submissions", user=user
        )
        with logging_to(TellingHandler(_tell)):
            try:
                await _talk(rehearsal, script, user)
            finally:
                rehearsal.end()

    with site_of(context) as site:
        asyncio.run(play())


async def _talk(rehearsal: "Rehearsal", script: list[bytes] | None, user: str) -> None:
    import asyncio

    _answer(await rehearsal.begin())
    echo = script is not None or not sys.stdin.isatty()
    while not rehearsal.closed:
        line = await asyncio.to_thread(_next_line, script)
        if not line:
            return
        line = line.rstrip(b"\r\n") + b"\r\n"
        if echo:
            typer.echo("C: " + line.decode("utf-8", "replace").rstrip())
        answer = await rehearsal.feed(line)
        _answer(answer)
        if user and line[:5].upper() in (b"EHLO ", b"LHLO ") and answer.startswith(b"250"):
            typer.echo("C: AUTH PLAIN (secret)")
            _answer(await rehearsal.feed(rehearsal.sign_in_line()))


def _next_line(script: list[bytes] | None) -> bytes:
    if script is not None:
        return script.pop(0) if script else b""
    return sys.stdin.buffer.readline(_MOST_LINE_BYTES)


def _script(lmtp: bool, sender: str, recipients: list[str]) -> list[bytes]:
    lines = [
        "LHLO client.test" if lmtp else "EHLO client.test",
        f"MAIL FROM:<{sender}>",
        *(f"RCPT TO:<{each}>" for each in recipients),
        "QUIT",
    ]
    return [line.encode() + b"\r\n" for line in lines]


def _answer(data: bytes) -> None:
    for line in data.decode("utf-8", "replace").splitlines():
        typer.echo(f"S: {line}")
    sys.stdout.flush()


def _tell(words: str) -> None:
    typer.echo("   [check] " + "".join(letter if letter.isprintable() else "?" for letter in words))
