"""`estafeta rates`: how much users send, whose mail is held since it is too much, and letting them go on."""

from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, show_json, show_table, site_of, time_in_words

if TYPE_CHECKING:
    from estafeta.policy.sending import Braked

commands = typer.Typer(
    name="rates",
    help="How much users send, and whose mail is held.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Address = Annotated[str, typer.Argument(help="The user's address.")]


@commands.command("list")
def list_rates(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="Only this user, held or not.")] = "",
    as_json: Json = False,
) -> None:
    """List users whose mail is held since they sent too much, and those who were let go on."""
    from estafeta.app.owners import owner_of
    from estafeta.policy.sending import read_brakes

    with site_of(context) as site:
        account_id = site.directory.get_user(address).account_id if address else 0
        with site.database.read() as conn:
            found = read_brakes(conn, site.node.make_clock()(), account_id)
        rows = [(owner_of(site, one.account_id), one) for one in found]
    if as_json:
        show_json([{"user": name, **one._asdict()} for name, one in rows])
        return
    show_table(
        ["User", "Today", "Held", "Normal", "State", "Why"],
        [(name, one.today, one.held_today, one.normal, _state(one), one.reason) for name, one in rows],
        empty="Nobody's mail is held.",
    )


@commands.command()
def release(
    context: typer.Context,
    address: Address,
    hours: Annotated[int, typer.Option("--hours", metavar="N", min=1, max=8760, help="Without a limit so long.")] = 24,
) -> None:
    """Let a user go on sending, without a limit for a while. What is held already stays: see `estafeta quarantine`."""
    from estafeta.policy.sending import HOUR_SECONDS
    from estafeta.policy.sending import release as let_go

    with site_of(context) as site:
        user = site.directory.get_user(address)
        until = int(site.node.make_clock()()) + hours * HOUR_SECONDS
        with site.database.write() as tx:
            let_go(tx, user.account_id, until)
    typer.echo(f"{user.address} may send without a limit until {time_in_words(until)}.")
    typer.echo(f"What is held: estafeta quarantine list --filter sending-rate --sender {user.address}")


@commands.command()
def hold(
    context: typer.Context,
    address: Address,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="A reason, kept with it.")] = "an operator said so",
) -> None:
    """Hold what a user sends from now on, until `release`."""
    from estafeta.policy.sending import hold as brake

    with site_of(context) as site:
        user = site.directory.get_user(address)
        with site.database.write() as tx:
            brake(tx, user.account_id, int(site.node.make_clock()()), why)
    typer.echo(f"What {user.address} sends is held from now on.")


def _state(one: "Braked") -> str:
    if one.held_since_seconds:
        return f"held since {time_in_words(one.held_since_seconds)}"
    return f"no limit until {time_in_words(one.released_until_seconds)}" if one.released_until_seconds else "sends"
