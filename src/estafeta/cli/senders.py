"""`estafeta senders`: whom the site and its users always want to hear of, and whom never."""

from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, show_json, show_table, site_of

if TYPE_CHECKING:
    from estafeta.app.stores import Site
    from estafeta.policy.senderlists import Action

commands = typer.Typer(
    name="senders",
    help="Senders that are always let in, or never, by all or by one user.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Patterns = Annotated[list[str], typer.Argument(help="ana@example.org, @example.org, @.example.org for all below.")]
OfUser = Annotated[str, typer.Option("--user", metavar="ADDRESS", help="The list of this user, not the site's.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for who reads the list.")]


@commands.command()
def allow(context: typer.Context, senders: Patterns, user: OfUser = "", note: Note = "") -> None:
    """Never take mail of these for junk, where it is proven that it is theirs (SPF, DKIM or DMARC)."""
    from estafeta.policy.senderlists import Action

    _put(context, senders, user, note, Action.ALLOW)


@commands.command()
def block(context: typer.Context, senders: Patterns, user: OfUser = "", note: Note = "") -> None:
    """Refuse mail of these; with --user, file it in that user's Junk."""
    from estafeta.policy.senderlists import Action

    _put(context, senders, user, note, Action.BLOCK)


@commands.command(name="list")
def list_senders(context: typer.Context, user: OfUser = "", as_json: Json = False) -> None:
    """List who is allowed and blocked."""
    from estafeta.policy.senderlists import list_entries

    with site_of(context) as site:
        entries = list_entries(site.database, _account(site, user))
    if as_json:
        show_json([{"sender": one.pattern, "action": one.action, "note": one.note} for one in entries])
        return
    rows = [[one.pattern, one.action, one.note] for one in entries]
    show_table(["Sender", "Action", "Note"], rows, empty="Nobody is on this list.")


@commands.command()
def remove(context: typer.Context, senders: Patterns, user: OfUser = "") -> None:
    """Take senders off the list."""
    from estafeta.policy.senderlists import parse_pattern, remove_entry

    with site_of(context) as site:
        account = _account(site, user)
        for pattern in map(parse_pattern, senders):
            remove_entry(site.database, account, pattern)
            typer.echo(f"{pattern} is on the list of {user or 'the site'} no more.")


def _put(context: typer.Context, senders: list[str], user: str, note: str, action: "Action") -> None:
    import time

    from estafeta.policy.senderlists import Entry, parse_pattern, put_entry

    patterns = [parse_pattern(sender) for sender in senders]
    with site_of(context) as site:
        account = _account(site, user)
        for pattern in patterns:
            changed = put_entry(site.database, Entry(account, pattern, action, int(time.time()), note))
            done = "is now" if changed else "was already"
            typer.echo(f"{pattern} {done} {action}ed by {user or 'the site'}.")


def _account(site: "Site", user: str) -> int:
    from estafeta.policy.senderlists import SITE

    return int(site.directory.get_user(user).account_id) if user else SITE
