"""`estafeta route`, `estafeta rewrite`: what would become of an address, step by step. Nothing is sent."""

from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, show_json, show_table, site_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estafeta.app.routestory import Leg, Story, Storyteller
    from estafeta.routing.values import Step

_FIELDS = {
    "s": "Sender",
    "f": "From",
    "t": "To",
    "c": "Cc",
    "b": "Bcc",
    "r": "Reply-To",
    "F": "envelope sender",
    "T": "envelope recipient",
    "X": "checked address",
}


def add_commands(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(route)
    app.command()(rewrite)


def route(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="someone@example.org")],
    sender: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="Who sends; a notice without.")] = "",
    dns: Annotated[bool, typer.Option("--dns", help="Also ask DNS for the hosts.")] = False,
    as_json: Json = False,
) -> None:
    """Show where mail for an address would go, with every step taken and why."""
    import asyncio

    from estafeta.app.routestory import Storyteller

    with site_of(context) as site:
        storyteller = Storyteller(site)
        story = storyteller.tell(address, sender)
        legs = asyncio.run(_look_up(storyteller, story)) if dns else story.legs
    if as_json:
        show_json(
            {
                "address": story.address,
                "from": story.sender,
                "steps": _plain(story.steps),
                "legs": [_leg_as_json(leg) for leg in legs],
            }
        )
    else:
        _show(story, legs)


def rewrite(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="someone@example.org")],
    as_json: Json = False,
) -> None:
    """Show what the rewriting rules make of an address in each field, with every rule and why."""
    from estafeta.app.routestory import Storyteller

    with site_of(context) as site:
        rewriter = Storyteller(site).rewriter
        subject = site.directory.qualify(address)
    found = rewriter.explain(subject)
    for problem in rewriter.problems:
        typer.echo(problem, err=True)
    if as_json:
        fields = {str(one.field): {"address": str(one.address), "steps": _plain(one.steps)} for one in found}
        show_json({"address": str(subject), "fields": fields})
        return
    if not found:
        typer.echo("There are no rewriting rules: see the setting rewrite.address_rules.")
        return
    # Fields with one fate are told together.
    fates: dict[object, list[str]] = {}
    for one in found:
        fates.setdefault((one.address, one.steps), []).append(_FIELDS[one.field])
    show_table(["Field", "Becomes"], [[_FIELDS[one.field], str(one.address)] for one in found])
    for one in found:
        names = fates.pop((one.address, one.steps), None)
        if names:
            typer.echo(f"\n{', '.join(names)}:")
            for step in one.steps:
                typer.echo(f"  {step.words}")


async def _look_up(storyteller: "Storyteller", story: "Story") -> "list[Leg]":
    import asyncio

    return list(await asyncio.gather(*(storyteller.look_up_hosts(leg) for leg in story.legs)))


def _show(story: "Story", legs: "Sequence[Leg]") -> None:
    typer.echo(f"{story.address}, from {story.sender or 'nobody (a notice)'}")
    for step in story.steps:
        typer.echo(f"  {step.rule}: {step.words}")
    for leg in legs:
        refusal = f": {leg.refusal}" if leg.refusal else ""
        typer.echo(f"-> {leg.address}: {leg.where}{refusal}")
        for step in leg.steps:
            typer.echo(f"     {step.rule}: {step.words}")
        if leg.source:
            typer.echo(f"     from our address {leg.source}")
        if leg.login:
            typer.echo(f"     signing in as {leg.login}")
        for number, host in enumerate(leg.hosts, 1):
            typer.echo(f"     {number}. {host}")


def _leg_as_json(leg: "Leg") -> dict[str, object]:
    return {
        "address": leg.address,
        "where": leg.where,
        "refusal": leg.refusal,
        "source": leg.source,
        "login": leg.login,
        "steps": _plain(leg.steps),
        "hosts": list(leg.hosts),
    }


def _plain(steps: "Sequence[Step]") -> list[dict[str, str]]:
    return [{"rule": step.rule, "words": step.words} for step in steps]
