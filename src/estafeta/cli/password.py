"""Passwords on the command line: typed twice, read from standard input, or made and shown once."""

import sys

import typer

_MAX_CHARACTERS = 1024


def take_password(from_stdin: bool) -> tuple[str, bool]:
    """The password, and whether it was made here and must be shown.

    From the first line of standard input when asked so; typed twice at a terminal; otherwise made.
    """
    if from_stdin:
        line = sys.stdin.readline(_MAX_CHARACTERS + 1).rstrip("\r\n")
        if not line:
            raise typer.BadParameter("--password-stdin: there is no password on standard input")
        return line, False
    if sys.stdin.isatty():
        typed: str = typer.prompt(
            "Password (empty: make one)", default="", show_default=False, hide_input=True, confirmation_prompt=True
        )
        if typed:
            return typed, False
    from estafeta.app.passwords import generate_password

    return generate_password(), True
