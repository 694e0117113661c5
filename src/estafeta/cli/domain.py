"""`estafeta domain`: the domains whose mail is ours."""

from typing import Annotated

import typer

from estafeta.cli.common import (
    Json,
    bytes_in_words,
    parse_bytes,
    show_fields,
    show_json,
    show_table,
    site_of,
    time_in_words,
)

commands = typer.Typer(name="domain", help="Domains whose mail is ours.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="example.org")]
MaxMessage = Annotated[
    str | None, typer.Option("--max-message", metavar="SIZE", help="Largest message; 0: the site's.")
]
Quota = Annotated[str | None, typer.Option("--quota", metavar="SIZE", help="Mailbox size of its users; 0: the site's.")]
QuotaMessages = Annotated[
    int | None, typer.Option("--quota-messages", min=0, metavar="N", help="Messages of each user; 0: the site's.")
]
MaxUsers = Annotated[int | None, typer.Option("--max-users", min=0, metavar="N", help="0: no limit.")]


@commands.command()
def add(
    context: typer.Context,
    name: Name,
    alias_of: Annotated[str, typer.Option("--alias-of", metavar="DOMAIN", help="Has the addresses of that one.")] = "",
    max_message: MaxMessage = None,
    quota: Quota = None,
    quota_messages: QuotaMessages = None,
    max_users: MaxUsers = None,
) -> None:
    """Take mail for a domain."""
    from estafeta.app.signing import make_first_keys

    with site_of(context) as site:
        domain = site.directory.add_domain(
            name,
            alias_of=alias_of,
            max_message_bytes=_size(max_message) or 0,
            default_quota_bytes=_size(quota) or 0,
            default_quota_messages=quota_messages or 0,
            max_users=max_users or 0,
        )
        keys = make_first_keys(site, domain.name)
    typer.echo(f"Added {domain.name}.")
    if keys:
        typer.echo(f"Publish the records of its keys, so that its mail is signed: estafeta dkim show {domain.name}")


@commands.command(name="list")
def list_domains(context: typer.Context, as_json: Json = False) -> None:
    """List domains."""
    with site_of(context) as site:
        domains = site.directory.list_domains()
    if as_json:
        show_json(domains)
        return
    show_table(
        ["Domain", "State", "Users", "Alias of", "Catch-all", "Quota"],
        [
            [one.name, one.state, one.users, one.alias_of, one.catch_all, _or_site(one.default_quota_bytes)]
            for one in domains
        ],
        empty="There are no domains yet: add one with `estafeta domain add`.",
    )


@commands.command()
def show(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show everything about a domain."""
    with site_of(context) as site:
        domain = site.directory.get_domain(name)
    if as_json:
        show_json(domain)
        return
    show_fields(
        [
            ("Domain", domain.name),
            ("State", domain.state),
            ("Alias of", domain.alias_of),
            ("Catch-all", domain.catch_all),
            ("Users", f"{domain.users} of {domain.max_users}" if domain.max_users else domain.users),
            ("Largest message", _or_site(domain.max_message_bytes)),
            ("Quota of users", _or_site(domain.default_quota_bytes)),
            ("Messages of a user", domain.default_quota_messages or "as the site"),
            ("Added", time_in_words(domain.created_seconds)),
        ]
    )


@commands.command()
def change(
    context: typer.Context,
    name: Name,
    max_message: MaxMessage = None,
    quota: Quota = None,
    quota_messages: QuotaMessages = None,
    max_users: MaxUsers = None,
    catch_all: Annotated[
        str | None,
        typer.Option("--catch-all", metavar="ADDRESS", help="Gets mail for unknown addresses; '' for nobody."),
    ] = None,
) -> None:
    """Change a domain."""
    with site_of(context) as site:
        domain = site.directory.change_domain(
            name,
            max_message_bytes=_size(max_message),
            default_quota_bytes=_size(quota),
            default_quota_messages=quota_messages,
            max_users=max_users,
        )
        if catch_all is not None:
            site.directory.set_catch_all(name, catch_all)
    typer.echo(f"Changed {domain.name}.")


@commands.command()
def disable(context: typer.Context, name: Name) -> None:
    """Refuse mail for a domain for now; nothing is lost and its users still read theirs."""
    from estafeta.directory.model import DomainState

    with site_of(context) as site:
        site.directory.change_domain(name, state=DomainState.DISABLED)
    typer.echo(f"Disabled {name}.")


@commands.command()
def enable(context: typer.Context, name: Name) -> None:
    """Undo `disable`."""
    from estafeta.directory.model import DomainState

    with site_of(context) as site:
        site.directory.change_domain(name, state=DomainState.ACTIVE)
    typer.echo(f"Enabled {name}.")


@commands.command()
def remove(context: typer.Context, name: Name) -> None:
    """Take no more mail for a domain that has no addresses left."""
    with site_of(context) as site:
        site.directory.remove_domain(name)
    typer.echo(f"Removed {name}.")


def _size(text: str | None) -> int | None:
    return None if text is None else parse_bytes(text)


def _or_site(number: int) -> str:
    return bytes_in_words(number) if number else "as the site"
