"""`estafeta dkim`: the keys that sign our mail, and the DNS records that go with them."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, Yes, confirm, show_json, show_table, site_of, time_in_words

if TYPE_CHECKING:
    from estafeta.app.stores import Site
    from estafeta.directory.keystates import Seen, StoredKey
    from estafeta.directory.signingkeys import SigningKeys
    from estafeta.dns.resolver import DnsResolver
    from estafeta.trust.signingkey import Algorithm

commands = typer.Typer(
    name="dkim",
    help="Keys that sign our mail (DKIM), and their DNS records.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Domain = Annotated[str, typer.Argument(help="example.org")]
AnyDomain = Annotated[str, typer.Argument(metavar="[DOMAIN]", help="Only of this domain.")]
Selector = Annotated[str, typer.Argument(help="The name of the key in DNS, as `estafeta dkim list` shows it.")]
_KINDS: "dict[str, Algorithm]" = {"rsa": "rsa-sha256", "ed25519": "ed25519-sha256"}


@commands.command(name="list")
def list_keys(context: typer.Context, domain: AnyDomain = "", as_json: Json = False) -> None:
    """List the keys, their states, and what DNS said of them when it was asked last."""
    with _keys_of(context) as (keys, _):
        found = keys.list_keys(domain)
    if as_json:
        show_json([_as_json(key) for key in found])
        return
    rows = [
        [one.domain, one.selector, one.algorithm, one.state, time_in_words(one.changed_seconds), one.seen]
        for one in found
    ]
    heads = ["Domain", "Selector", "Algorithm", "State", "Since", "DNS"]
    show_table(heads, rows, empty="There are no keys yet: they are made for each domain within ten minutes.")


@commands.command()
def create(
    context: typer.Context,
    domain: Domain,
    kind: Annotated[str, typer.Option("--kind", help="rsa, ed25519, or both.")] = "both",
    selector: Annotated[str, typer.Option("--selector", metavar="NAME", help="Made of the date unless given.")] = "",
    bits: Annotated[int, typer.Option("--bits", metavar="N", help="Of an RSA key: 1024 to 4096.")] = 2048,
    pem: Annotated[Path | None, typer.Option("--pem", help="Take over a private key of another server.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show the record to publish. It signs when DNS has the record and its turn has come."""
    if kind not in (*_KINDS, "both"):
        raise typer.BadParameter("--kind must be rsa, ed25519 or both")
    if selector and kind == "both" and pem is None:
        raise typer.BadParameter("a selector names one key: add --kind rsa or --kind ed25519")
    text = pem.read_bytes() if pem is not None else b""
    kinds = list(_KINDS.values()) if kind == "both" and not text else [_KINDS.get(kind, "rsa-sha256")]
    with _keys_of(context) as (keys, _):
        made = [keys.create_key(domain, one, selector=selector, bits=bits, pem=text) for one in kinds]
    show_records(made, as_json)


@commands.command()
def show(
    context: typer.Context,
    domain: Domain,
    selector: Annotated[str, typer.Argument(metavar="[SELECTOR]", help="Only this key.")] = "",
    as_json: Json = False,
) -> None:
    """Show the records that DNS must have, as text and as lines of a zone file."""
    from estafeta.core.errors import EstafetaError, Kind
    from estafeta.directory.keystates import KeyState

    with _keys_of(context) as (keys, _):
        found = [keys.get_key(domain, selector)] if selector else keys.list_keys(domain)
    wanted = [key for key in found if selector or key.state is not KeyState.REMOVED]
    if not wanted:
        raise EstafetaError(Kind.NOT_FOUND, f"{domain} has no keys: make some with `estafeta dkim create {domain}`.")
    show_records(wanted, as_json)


@commands.command()
def check(context: typer.Context, domain: AnyDomain = "", as_json: Json = False) -> None:
    """Ask DNS about all keys, and do what is due: the exit code is 1 while something is left for you to do."""
    import asyncio

    from estafeta.directory.keystates import KeyState, Seen

    with _keys_of(context) as (keys, site):
        found = asyncio.run(_ask(keys, site, domain))
        locked = {one.dns_record.name for one in keys.locked_keys()}
    if as_json:
        show_json([_as_json(key) | {"locked": key.dns_record.name in locked} for key in found])
    else:
        rows = [[one.dns_record.name, one.state, one.seen, _to_do(one, locked)] for one in found]
        show_table(["Record", "State", "DNS", "To do"], rows, empty="There are no keys.")
    if any(key.seen is not Seen.THERE or key.dns_record.name in locked for key in found
           if key.state is not KeyState.REMOVED):  # fmt: skip
        raise typer.Exit(1)


@commands.command()
def activate(context: typer.Context, domain: Domain, selector: Selector, yes: Yes = False) -> None:
    """Sign with a key from now on; the one of its kind that did so until now is retired."""
    import asyncio

    from estafeta.directory.keystates import Seen

    with _keys_of(context) as (keys, site):
        key = keys.get_key(domain, selector)
        seen = asyncio.run(_look_up(key, site))
        if seen is not Seen.THERE:
            confirm(f"DNS does not show the record of {key.dns_record.name} ({seen}). Sign with it all the same?", yes)
        retired = keys.activate(domain, selector)
    typer.echo(f"{key.domain} signs with {key.selector} now.")
    for one in retired:
        typer.echo(f"{one.selector} is retired: leave its record in DNS for now.")


@commands.command()
def retire(context: typer.Context, domain: Domain, selector: Selector) -> None:
    """Sign no more with a key; its record stays needed for `dkim.retired_days`."""
    from estafeta.directory.keystates import KeyState

    with _keys_of(context) as (keys, _):
        key = keys.move(domain, selector, KeyState.RETIRED)
    typer.echo(f"{key.domain} signs no more with {key.selector}.")


@commands.command()
def remove(
    context: typer.Context,
    domain: Domain,
    selector: Selector,
    leaked: Annotated[
        bool, typer.Option("--leaked", help="Others may know it: stop at once, and make a new one of its kind.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Erase a key that does not sign. Take its record out of DNS afterwards."""
    from estafeta.directory.keystates import KeyState

    confirm(f"Erase the key {selector} of {domain}?", yes)
    with _keys_of(context) as (keys, _):
        if not leaked:
            gone = keys.move(domain, selector, KeyState.REMOVED)
            typer.echo(f"Erased. Take {gone.dns_record.name} out of DNS.")
            return
        gone = keys.erase(domain, selector)
        kind = gone.record.partition("p=")[0]
        typer.echo("Erased. Publish this in place of its record, so that nobody believes it any more:")
        typer.echo(f'  {gone.dns_record.name}. IN TXT "{kind}p="')
        made = keys.create_key(domain, gone.algorithm)
    typer.echo("And this, for the key that follows it:")
    show_records([made])


@contextmanager
def _keys_of(context: typer.Context) -> "Iterator[tuple[SigningKeys, Site]]":
    from estafeta.app.signing import open_keys

    with site_of(context) as site:
        yield open_keys(site), site


async def _ask(keys: "SigningKeys", site: "Site", domain: str) -> "list[StoredKey]":
    """All keys as DNS has them now, after what is due was done."""
    from asyncio import to_thread

    from estafeta.directory.keykeeping import KeyKeeper

    keeper = KeyKeeper(keys, _resolver(site), site.settings, site.node.make_clock())
    await keeper.ask(await to_thread(keys.list_keys, domain), all_of_them=True)
    await keeper.tend()
    return await to_thread(keys.list_keys, domain)


async def _look_up(key: "StoredKey", site: "Site") -> "Seen":
    from estafeta.directory.keykeeping import look_up

    return await look_up(key, _resolver(site))


def _resolver(site: "Site") -> "DnsResolver":
    from estafeta.dns.resolver import DnsResolver

    resolver = DnsResolver()
    resolver.use(site.settings.current.dns, site.settings.current.routing.host_table)
    return resolver


def _as_json(key: "StoredKey") -> dict[str, object]:
    record = key.dns_record
    return {
        "domain": key.domain,
        "selector": key.selector,
        "algorithm": key.algorithm,
        "state": key.state,
        "created": key.created_seconds,
        "changed": key.changed_seconds,
        "dns": key.seen,
        "asked": key.asked_seconds,
        "record": {"name": record.name, "text": record.text, "strings": record.strings, "zone": record.zone_line()},
    }


def show_records(found: "Sequence[StoredKey]", as_json: bool = False) -> None:
    """Print what is to be published of some keys."""
    if as_json:
        show_json([_as_json(key) for key in found])
        return
    for number, key in enumerate(found):
        record = key.dns_record
        typer.echo("" if number else f"TXT records of {key.domain} (in a web form without quotes):")
        typer.echo(f"{record.name}  ({key.state})")
        typer.echo(f"  {record.text}")
        typer.echo("  as a line of a zone file:")
        typer.echo(f"  {record.zone_line()}")


def _to_do(key: "StoredKey", locked: Collection[str]) -> str:
    from estafeta.directory.keystates import KeyState, Seen

    if key.dns_record.name in locked:
        return "this machine cannot open the key: copy node.key from the one that made it"
    if key.state is KeyState.REMOVED:
        return "take the record out of DNS" if key.seen in (Seen.THERE, Seen.OTHER) else ""
    if key.seen is Seen.THERE:
        return ""
    if key.seen is Seen.FAILED:
        return "the name servers give no answer: try again"
    return f"publish the record: estafeta dkim show {key.domain} {key.selector}"
