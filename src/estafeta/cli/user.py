"""`estafeta user`: people with mailboxes."""

from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import (
    Json,
    Yes,
    bytes_in_words,
    confirm,
    count_in_words,
    parse_bytes,
    parse_count,
    show_fields,
    show_json,
    show_table,
    site_of,
    time_in_words,
)
from estafeta.cli.password import take_password

if TYPE_CHECKING:
    from estafeta.directory.model import Service, User

commands = typer.Typer(name="user", help="People with mailboxes.", no_args_is_help=True, rich_markup_mode=None)

Address = Annotated[str, typer.Argument(help="anna@example.org; a bare name gets the default domain.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Display name.")]
Quota = Annotated[
    str | None, typer.Option("--quota", metavar="SIZE", help="500M, 2G; 0: no limit; inherit: as the domain says.")
]
QuotaMessages = Annotated[
    str | None,
    typer.Option("--quota-messages", metavar="N", help="Messages; 0: no limit; inherit: as the domain says."),
]
Language = Annotated[str | None, typer.Option("--language", metavar="CODE", help="en, es or ja.")]
Services = Annotated[
    str | None, typer.Option("--services", metavar="LIST", help="What the user may use: submission,pop3,imap,web.")
]


@commands.command()
def add(
    context: typer.Context,
    address: Address,
    password_stdin: FromStdin = False,
    name: Name = None,
    quota: Quota = None,
    quota_messages: QuotaMessages = None,
    language: Language = None,
    services: Services = None,
) -> None:
    """Add a user. The password is asked for, read, or made and shown once."""
    from estafeta.directory.model import ALL_SERVICES, INHERIT

    password, made = take_password(password_stdin)
    quota_bytes, count = _quota(quota), _quota_messages(quota_messages)
    with site_of(context) as site:
        user = site.directory.add_user(
            address,
            password=password,
            display_name=name or "",
            quota_bytes=INHERIT if quota_bytes is None else quota_bytes,
            quota_messages=INHERIT if count is None else count,
            language=language or "en",
            services=ALL_SERVICES if services is None else _services(services),
        )
    typer.echo(f"Added {user.address}." + (f" Password: {password} (shown only now)" if made else ""))


@commands.command(name="list")
def list_users(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(help="Only users of this domain.")] = "",
    removed: Annotated[bool, typer.Option("--removed", help="Also removed users that wait for purge.")] = False,
    as_json: Json = False,
) -> None:
    """List users."""
    with site_of(context) as site:
        users = site.directory.list_users(domain, include_removed=removed)
        usage = site.usage()
    if as_json:
        show_json([_as_json(user, usage.get(user.account_id, (0, 0))) for user in users])
        return
    rows = [_row(user, usage.get(user.account_id, (0, 0))) for user in users]
    columns = ["Address", "Name", "State", "Messages", "Size", "Quota", "Redirect"]
    show_table(columns, rows, empty="There are no users yet: add one with `estafeta user add`.")


@commands.command()
def show(context: typer.Context, address: Address, as_json: Json = False) -> None:
    """Show everything about a user."""
    with site_of(context) as site:
        user = site.directory.get_user(address)
        used = site.usage().get(user.account_id, (0, 0))
        granted = site.directory.list_sending(address)
    if as_json:
        show_json(_as_json(user, used) | {"may_send_as": granted})
        return
    inherited = " (inherited)" if user.quota_inherited else ""
    count_inherited = " (inherited)" if user.quota_messages_inherited else ""
    show_fields(
        [
            ("Address", user.address),
            ("Further addresses", [one for one in user.addresses if one != user.address]),
            ("Writes from", user.preferred_address),
            ("May send as", granted),
            ("Name", user.display_name),
            ("State", user.state),
            ("Services", user.services),
            ("Language", user.language),
            ("Quota", bytes_in_words(user.quota_bytes) + inherited),
            ("Quota of messages", count_in_words(user.quota_messages) + count_inherited),
            ("Holds", f"{used[1]} messages, {used[0] / 1048576:.1f} MiB"),
            ("Redirect", _redirect(user)),
            ("Password", "set" if user.has_password else "none: the user cannot sign in"),
            ("Added", time_in_words(user.created_seconds)),
        ]
    )


@commands.command()
def change(
    context: typer.Context,
    address: Address,
    name: Name = None,
    quota: Quota = None,
    quota_messages: QuotaMessages = None,
    language: Language = None,
    services: Services = None,
    preferred: Annotated[
        str | None, typer.Option("--preferred", metavar="ADDRESS", help="The address the user writes from.")
    ] = None,
    add_address: Annotated[
        list[str] | None, typer.Option("--add-address", metavar="ADDRESS", help="A further address; may be repeated.")
    ] = None,
    remove_address: Annotated[
        list[str] | None, typer.Option("--remove-address", metavar="ADDRESS", help="Take one away; may be repeated.")
    ] = None,
) -> None:
    """Change a user."""
    with site_of(context) as site:
        for further in add_address or []:
            site.directory.add_address(address, further)
        for further in remove_address or []:
            site.directory.remove_address(address, further)
        user = site.directory.change_user(
            address,
            display_name=name,
            quota_bytes=_quota(quota),
            quota_messages=_quota_messages(quota_messages),
            language=language,
            services=None if services is None else _services(services),
            preferred_address=preferred,
        )
    typer.echo(f"Changed {user.address}.")


@commands.command()
def passwd(context: typer.Context, address: Address, password_stdin: FromStdin = False) -> None:
    """Give a user a new password: asked for, read, or made and shown once."""
    with site_of(context) as site:
        user = site.directory.get_user(address)
        password, made = take_password(password_stdin)
        site.directory.set_password(address, password)
    typer.echo(f"Changed the password of {user.address}." + (f" It is {password} (shown only now)" if made else ""))


@commands.command()
def apop(context: typer.Context, address: Address) -> None:
    """Make a secret for signing in by APOP and show it once.

    Needs the setting pop3.apop. The secret is another one than the password and is kept encrypted.
    """
    with site_of(context) as site:
        secret = site.directory.make_apop_secret(address)
    typer.echo(f"The APOP secret of {address} is {secret} (shown only now)")


@commands.command()
def redirect(
    context: typer.Context,
    address: Address,
    targets: Annotated[list[str] | None, typer.Argument(help="Where the mail goes.")] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Keep a copy in the mailbox.")] = False,
    off: Annotated[bool, typer.Option("--off", help="End the redirect.")] = False,
) -> None:
    """Send a user's mail elsewhere, or stop doing so."""
    if bool(targets) == off:
        raise typer.BadParameter("name the targets, or --off to end the redirect")
    with site_of(context) as site:
        user = site.directory.set_redirect(address, targets or [], keep_copy=copy)
    typer.echo(f"Mail for {user.address} goes to {_redirect(user) or 'the mailbox'}.")


@commands.command()
def grant(
    context: typer.Context,
    address: Address,
    identity: Annotated[
        str, typer.Argument(help="An alias, a group, a list, another user; or @example.org for the whole domain.")
    ],
) -> None:
    """Let a user send in another name besides its own addresses."""
    with site_of(context) as site:
        key = site.directory.grant_sending(address, identity)
    typer.echo(f"{address} may send as {key}.")


@commands.command()
def revoke(
    context: typer.Context,
    address: Address,
    identity: Annotated[str, typer.Argument(help="What was granted.")],
) -> None:
    """Undo `grant`."""
    with site_of(context) as site:
        key = site.directory.revoke_sending(address, identity)
    typer.echo(f"{address} may no longer send as {key}.")


@commands.command()
def disable(context: typer.Context, address: Address) -> None:
    """No sign-in, and mail is refused for now; nothing is lost."""
    with site_of(context) as site:
        typer.echo(f"Disabled {site.directory.disable_user(address).address}.")


@commands.command()
def enable(context: typer.Context, address: Address) -> None:
    """Undo `disable`."""
    with site_of(context) as site:
        typer.echo(f"Enabled {site.directory.enable_user(address).address}.")


@commands.command()
def remove(context: typer.Context, address: Address, yes: Yes = False) -> None:
    """Remove a user: no more mail, no sign-in. The mail stays until `purge`; `restore` brings all back."""
    confirm(f"Remove {address}?", yes, can_be_undone=True)
    with site_of(context) as site:
        user = site.directory.remove_user(address)
    typer.echo(f"Removed {user.address}; its mail stays until `estafeta user purge {user.address}`.")


@commands.command()
def restore(context: typer.Context, address: Address) -> None:
    """Undo `remove`; the user needs a new password."""
    with site_of(context) as site:
        user = site.directory.restore_user(address)
    typer.echo(f"Restored {user.address}: give it a password with `estafeta user passwd {user.address}`.")


@commands.command()
def purge(context: typer.Context, address: Address, yes: Yes = False) -> None:
    """Forget a removed user and delete all its mail, for good."""
    from estafeta.app.purging import purge_user

    confirm(f"Delete all mail of {address} for good?", yes)
    with site_of(context) as site:
        gone = purge_user(site, address)
    typer.echo(f"Purged {address}: {gone} messages deleted.")


@commands.command(name="import")
def import_users(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="passwd(5), shadow(5) or `user:hash` lines; - is stdin.")],
    domain: Annotated[str, typer.Option("--domain", metavar="DOMAIN", help="For names without one.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Import users with their password hashes."""
    from estafeta.cli.common import read_text, show_import

    text = read_text(file)
    with site_of(context) as site:
        report = site.directory.import_passwd(text, domain, dry_run=dry_run)
    show_import(report, dry_run)


def _quota(text: str | None) -> int | None:
    from estafeta.directory.model import INHERIT

    if text is None:
        return None
    return INHERIT if text == "inherit" else parse_bytes(text)


def _quota_messages(text: str | None) -> int | None:
    from estafeta.directory.model import INHERIT

    if text is None:
        return None
    return INHERIT if text == "inherit" else parse_count(text)


def _services(text: str) -> "frozenset[Service]":
    from estafeta.directory.model import Service

    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        return frozenset(Service(name) for name in names)
    except ValueError:
        raise typer.BadParameter(f"--services is a list of {', '.join(Service)}") from None


def _redirect(user: "User") -> str:
    kept = " (and the mailbox)" if user.redirect_mode == "copy" else ""
    return ", ".join(user.redirect) + kept if user.redirect else ""


def _row(user: "User", used: tuple[int, int]) -> list[object]:
    size = f"{used[0] / 1048576:.1f} MiB"
    quota = bytes_in_words(user.quota_bytes)
    return [user.address, user.display_name, user.state, used[1], size, quota, _redirect(user)]


def _as_json(user: "User", used: tuple[int, int]) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(user) | {"used_bytes": used[0], "messages": used[1]}
