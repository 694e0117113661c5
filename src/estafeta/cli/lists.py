"""`estafeta list`: distribution lists, their options, members and posts that wait for a moderator."""

from typing import Annotated

import typer

from estafeta.cli.common import (
    Json,
    Yes,
    bytes_in_words,
    confirm,
    read_text,
    show_fields,
    show_json,
    show_table,
    site_of,
    time_in_words,
    who,
)

commands = typer.Typer(
    name="list",
    help="Distribution lists: mail for many, with owners, rules and archives.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Address = Annotated[str, typer.Argument(help="news@example.org")]
Members = Annotated[list[str], typer.Argument(help='Addresses here or elsewhere, also "Ana <ana@example.org>".')]
Options = Annotated[
    list[str], typer.Option("--set", "-s", metavar="NAME=VALUE", help="An option; `list options` shows them.")
]


@commands.command()
def add(
    context: typer.Context,
    address: Address,
    members: Annotated[list[str] | None, typer.Argument(help="Its first members.")] = None,
    owner: Annotated[list[str] | None, typer.Option("--owner", metavar="ADDRESS", help="Who answers for it.")] = None,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Name that people see.")] = "",
    options: Options = [],  # noqa: B006 - typer copies it
) -> None:
    """Add a list. NAME-request, NAME-owner, NAME-subscribe and the like exist with it."""
    from estafeta.app.mailing_lists import make_archive
    from estafeta.directory.listmembers import parse_member

    wanted = {**_parse_options(options), **({"owners": ",".join(owner)} if owner else {})}
    people = [parse_member(one) for one in members or []]
    with site_of(context) as site:
        found = site.directory.add_list(address, {**wanted, **({"name": name} if name else {})})
        site.directory.subscribe(address, people)
        folder = make_archive(site, found)
    typer.echo(f"Added {found.address} with {len(people)} members.{_made(folder)}")


@commands.command(name="list")
def list_lists(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(help="Only of this domain.")] = "",
    member: Annotated[str, typer.Option("--member", metavar="ADDRESS", help="Only those that this one is on.")] = "",
    as_json: Json = False,
) -> None:
    """List lists."""
    with site_of(context) as site:
        lists = site.directory.list_lists(domain, member)
    if as_json:
        rows = [{"address": one.address, "members": one.members, **_plain(one)} for one in lists]
        show_json(rows)
        return
    table = [[one.address, one.title, one.members, one.options.post, one.options.owners] for one in lists]
    columns = ["List", "Name", "Members", "Who writes", "Owners"]
    show_table(columns, table, empty="There are no lists yet: add one with `estafeta list add`.")


@commands.command()
def show(context: typer.Context, address: Address, as_json: Json = False) -> None:
    """Show a list with its options."""
    from estafeta.directory.listoptions import option_rows

    with site_of(context) as site:
        found = site.directory.get_list(address)
    if as_json:
        show_json({"address": found.address, "members": found.members, **_plain(found)})
        return
    rows = [(name, value) for name, value, _ in option_rows(found.options)]
    show_fields([("list", found.address), ("members", found.members), *rows])


@commands.command()
def options(as_json: Json = False) -> None:
    """Show what can be set for a list, and what holds where nothing is."""
    from estafeta.directory.listoptions import option_rows
    from estafeta.directory.listvalues import ListOptions

    rows = option_rows(ListOptions())
    if as_json:
        show_json([{"name": name, "default": value, "description": words} for name, value, words in rows])
        return
    show_table(["Option", "Default", "Meaning"], rows)


@commands.command(name="set")
def set_options(
    context: typer.Context,
    address: Address,
    values: Annotated[list[str], typer.Argument(help="NAME=VALUE, as in post=anyone; `list options` shows them.")],
) -> None:
    """Change options of a list."""
    from estafeta.app.mailing_lists import make_archive
    from estafeta.directory.listoptions import option_rows

    wanted = _parse_options(values)
    with site_of(context) as site:
        found = site.directory.change_list(address, wanted)
        folder = make_archive(site, found)
    show_fields([(name, value) for name, value, _ in option_rows(found.options) if name in wanted])
    if folder:
        typer.echo(_made(folder).strip())


@commands.command()
def owner(
    context: typer.Context,
    address: Address,
    add: Annotated[list[str] | None, typer.Option("--add", metavar="ADDRESS", help="One more.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="ADDRESS", help="One less.")] = None,
    as_json: Json = False,
) -> None:
    """Show or change who answers for a list."""
    with site_of(context) as site:
        found = site.directory.get_list(address)
        if add:
            found = site.directory.add_list_owners(address, add)
        if remove:
            found = site.directory.remove_list_owners(address, remove)
    if as_json:
        show_json(found.options.owners)
        return
    for one in found.options.owners or ("nobody: the postmaster gets mail for the owner",):
        typer.echo(one)


@commands.command()
def subscribe(context: typer.Context, address: Address, members: Members) -> None:
    """Put members into a list, without asking them."""
    from estafeta.directory.listmembers import parse_member

    people = [parse_member(one) for one in members]
    with site_of(context) as site:
        new = site.directory.subscribe(address, people)
        found = site.directory.get_list(address)
    typer.echo(f"{len(new)} new; {found.address} has {found.members} members.")


@commands.command()
def unsubscribe(context: typer.Context, address: Address, members: Members) -> None:
    """Take members out of a list."""
    with site_of(context) as site:
        gone = site.directory.unsubscribe(address, members)
        found = site.directory.get_list(address)
    typer.echo(f"{gone} less; {found.address} has {found.members} members.")


@commands.command()
def pause(context: typer.Context, address: Address, members: Members) -> None:
    """Send members nothing for now; they may still write."""
    with site_of(context) as site:
        typer.echo(f"{site.directory.pause_members(address, members)} paused.")


@commands.command()
def resume(context: typer.Context, address: Address, members: Members) -> None:
    """Send to members again, and forget that their mail came back."""
    with site_of(context) as site:
        typer.echo(f"{site.directory.pause_members(address, members, paused=False)} get mail again.")


@commands.command()
def members(context: typer.Context, address: Address, as_json: Json = False) -> None:
    """List the members of a list."""
    with site_of(context) as site:
        found = site.directory.list_members(address)
    if as_json:
        show_json(found)
        return
    rows = [
        [one.address, one.display_name, one.state, one.how, time_in_words(one.joined_seconds), one.bounces]
        for one in found
    ]
    columns = ["Member", "Name", "State", "How", "Since", "Days with bounces"]
    show_table(columns, rows, empty="The list has no members yet: `estafeta list subscribe` adds some.")


@commands.command(name="import")
def import_members(
    context: typer.Context,
    address: Address,
    file: Annotated[
        str, typer.Argument(help="A line for each member: an address, or a name and <address>. - reads it.")
    ],
    replace: Annotated[bool, typer.Option("--replace", help="Take out who is not in the file.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Put everybody in a file into a list."""
    text = read_text(file)
    with site_of(context) as site:
        report = site.directory.import_members(address, text, replace=replace, dry_run=dry_run)
    for problem in report.problems:
        typer.echo(f"line {problem.line}: {problem.text}: {problem.problem}", err=True)
    done = "Would add" if dry_run else "Added"
    typer.echo(
        f"{done} {len(report.added)}; {report.known} were members already, {report.removed} taken out,"
        f" {len(report.problems)} lines to look at."
    )
    if report.problems:
        raise typer.Exit(1)


@commands.command()
def export(context: typer.Context, address: Address) -> None:
    """Print the members of a list as `import` reads them."""
    with site_of(context) as site:
        text = site.directory.export_members(address)
    typer.echo(text, nl=False)


@commands.command()
def moderate(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="news@example.org; without it, what waits at all lists.")] = "",
    approve: Annotated[str, typer.Option("--approve", metavar="ID", help="Send this one to the list, or all.")] = "",
    reject: Annotated[str, typer.Option("--reject", metavar="ID", help="Throw this one away, or all.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show posts that wait for a moderator; approve or reject them."""
    from estafeta.app.mailing_lists import decide, waiting_posts

    if (approve or reject) and not address:
        raise typer.BadParameter("name the list, too")
    with site_of(context) as site:
        if reject:
            confirm(f"Throw away {reject} of {address} for good?", yes)
        decided = decide(site, address, approve, approve=True, who=who()) if approve else []
        thrown = decide(site, address, reject, approve=False, who=who()) if reject else []
        left = waiting_posts(site, address)
    if as_json:
        show_json({"approved": decided, "rejected": thrown, "waiting": left})
        return
    for word, posts in (("Approved", decided), ("Rejected", thrown)):
        for one in posts:
            typer.echo(f"{word} {one.ident}: {one.subject}")
    rows = [
        [one.ident, one.list, one.sender, one.subject, bytes_in_words(one.size), time_in_words(one.arrived_seconds)]
        for one in left
    ]
    show_table(["Id", "List", "From", "Subject", "Size", "Since"], rows, empty="Nothing waits.")


@commands.command(name="renew-links")
def renew_links(context: typer.Context, address: Address, yes: Yes = False) -> None:
    """Make all links and tokens worthless that a list gave out."""
    confirm(f"Members of {address} can then no longer leave with links in old messages. Go on?", yes)
    with site_of(context) as site:
        site.directory.renew_list_secret(address)
    typer.echo("Done; new messages have new links.")


@commands.command()
def remove(context: typer.Context, address: Address, yes: Yes = False) -> None:
    """Remove a list with its members; its archive stays."""
    with site_of(context) as site:
        found = site.directory.get_list(address)
        confirm(f"Remove {found.address} with {found.members} members for good?", yes)
        gone = site.directory.remove_list(address)
    typer.echo(f"Removed {found.address} with {gone} members.")


def _parse_options(words: list[str]) -> dict[str, str]:
    typed = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise typer.BadParameter(f"{word!r} is no option: write it as NAME=VALUE, as in post=anyone")
        typed[name.strip()] = value.strip()
    return typed


def _plain(found: object) -> dict[str, object]:
    from estafeta.directory.listvalues import MailingList

    assert isinstance(found, MailingList)
    return {"created_seconds": found.created_seconds, "options": found.options.model_dump(mode="json")}


def _made(folder: str) -> str:
    return f" Made the folder {folder}." if folder else ""
