"""`estafeta setup`: a few questions, or none with `--yes`, and a server that can be started."""

import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Yes, home_of

if TYPE_CHECKING:
    from estafeta.app.config import Node
    from estafeta.app.home import Home
    from estafeta.app.node_file import Choices
    from estafeta.app.setup import SetupResult

_SITES = {
    "internet": "sends and receives mail directly",
    "smarthost": "receives directly, sends through another server",
    "satellite": "all mail goes to another server, also that of this machine's own users",
    "local": "mail between users of this machine only",
    "none": "nothing is opened: you start each listener in estafeta.toml",
}


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command()(setup)


def setup(
    context: typer.Context,
    domain: Annotated[str, typer.Option("--domain", metavar="D", help="The first mail domain: example.org.")] = "",
    hostname: Annotated[
        str, typer.Option("--hostname", metavar="H", help="This machine's name: mail.example.org.")
    ] = "",
    port_base: Annotated[
        int | None,
        typer.Option("--port-base", metavar="N", help="Listen on N + the standard port of each service, on 127.0.0.1."),
    ] = None,
    site: Annotated[
        str, typer.Option("--site", metavar="KIND", help="internet, smarthost, satellite, local or none.")
    ] = "",
    smarthost: Annotated[
        str,
        typer.Option(
            "--smarthost", metavar="HOST", help="Sends our mail: [mail.example.com]:587 (smarthost, satellite)."
        ),
    ] = "",
    user: Annotated[str, typer.Option("--user", metavar="ADDRESS", help="The first user; a password is made.")] = "",
    run_as: Annotated[
        str, typer.Option("--run-as", metavar="USER[:GROUP]", help="System user that the server becomes; as root.")
    ] = "",
    database: Annotated[
        str, typer.Option("--database", metavar="URL", help="postgresql+psycopg://... instead of SQLite.")
    ] = "",
    yes: Yes = False,
) -> None:
    """Make a new server in the home directory."""
    from estafeta.app.node_file import Site
    from estafeta.app.setup import check_choices, check_new

    home = home_of(context)
    check_new(home)
    if not yes and sys.stdin.isatty():
        domain, hostname, site, smarthost, port_base, user = _ask(domain, hostname, site, smarthost, port_base, user)
    if not domain:
        raise typer.BadParameter("the mail domain is missing: add --domain example.org")
    if site and site not in _SITES:
        raise typer.BadParameter(f"--site must be {', '.join(_SITES)}")
    name = hostname or _guess_hostname(domain)
    choices = _choices(domain, name, site or "internet", port_base, run_as, database, smarthost)
    check_choices(choices)
    if choices.site is Site.SATELLITE and user:
        raise typer.BadParameter("a satellite has no mailboxes: leave --user out")
    password = ""
    if user:
        from estafeta.app.passwords import generate_password

        password = generate_password()
    result = _make(home, choices, user, password)
    _show(result, choices, user, password)


def _ask(
    domain: str, hostname: str, site: str, smarthost: str, port_base: int | None, user: str
) -> tuple[str, str, str, str, int | None, str]:
    """Ask for what was not given, showing what an empty answer means."""
    domain = domain or typer.prompt("Mail domain, the part behind the @")
    hostname = hostname or typer.prompt("Name of this machine on the net", default=_guess_hostname(domain))
    if not site:
        typer.echo("Kinds of site:")
        for name, meaning in _SITES.items():
            typer.echo(f"  {name:<10} {meaning}")
        site = typer.prompt("Kind of site", default="internet")
    if site in ("smarthost", "satellite") and not smarthost:
        smarthost = typer.prompt("Server that sends our mail, as in [mail.example.com]:587")
    if port_base is None and os.geteuid() != 0:
        text = typer.prompt("You are not root: ports begin at (0 for the standard ones)", default=20000, type=int)
        port_base = text or None
    if site != "satellite":
        user = user or typer.prompt("First user (- for none)", default=f"postmaster@{domain}")
    return domain, hostname, site, smarthost, port_base, "" if user == "-" else user


def _choices(
    domain: str, hostname: str, site: str, port_base: int | None, run_as: str, database: str, smarthost: str
) -> "Choices":
    from estafeta.app.node_file import Choices, Site

    user, _, group = (run_as or _guess_user(port_base)).partition(":")
    return Choices(domain, hostname, Site(site), port_base, user, group, database, smarthost)


def _guess_hostname(domain: str) -> str:
    name = socket.getfqdn()
    return name if "." in name and not name.startswith("localhost") and "arpa" not in name else f"mail.{domain}"


def _guess_user(port_base: int | None) -> str:
    """As root on standard ports, the system user `estafeta` if there is one."""
    import pwd

    if os.geteuid() != 0 or port_base is not None:
        return ""
    try:
        return pwd.getpwnam("estafeta").pw_name
    except KeyError:
        return ""


def _make(home: "Home", choices: "Choices", user: str, password: str) -> "SetupResult":
    from estafeta.app.node_file import Site
    from estafeta.app.setup import set_up
    from estafeta.app.signing import make_first_keys
    from estafeta.app.stores import open_site, populate

    satellite = choices.site is Site.SATELLITE
    settings: dict[str, str | bool] = {"routing.smarthost": choices.smarthost} if choices.smarthost else {}
    if choices.site is Site.LOCAL:
        settings["routing.outward"] = False
    if satellite:
        # Its users' mail is at the other server: bare names get the domain, and nothing is delivered here.
        settings["local.qualify_domain"] = choices.domain
    domain = "" if satellite else choices.domain
    users = {user: password} if user else {}

    def fill(node: "Node") -> None:
        populate(node, domain, users, settings)
        if domain:
            with open_site(node) as opened:
                make_first_keys(opened, domain)

    return set_up(home, choices, fill)


def _show(result: "SetupResult", choices: "Choices", user: str, password: str) -> None:
    root = result.node.home.root
    typer.echo(f"Made the server {choices.hostname} for {choices.domain} in {root}.")
    for listener in result.node.config.listeners:
        typer.echo(f"  {listener.service:<12} {listener.place}{'' if listener.start else '  (not started)'}")
    if user:
        typer.echo(f"User {user}, password {password} (shown only now).")
    if os.geteuid() == 0 and not choices.user and choices.port_base is None:
        typer.echo("Before you start it: make a system user and write its name as `user` into estafeta.toml.")
    if choices.smarthost:
        typer.echo(f"Its password: estafeta --home {root} smarthost set '{choices.smarthost}' USER")
    if choices.site not in ("satellite", "local"):
        typer.echo(f"DNS records: estafeta --home {root} dkim show {choices.domain} (and docs/guides/dkim.md)")
    typer.echo(f"Start it:    estafeta --home {root} serve")
    if not user and choices.site != "satellite":
        typer.echo(f"Add a user:  estafeta --home {root} user add NAME@{choices.domain}")
