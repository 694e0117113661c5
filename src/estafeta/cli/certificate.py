"""`estafeta certificate`: the certificates of this node."""

from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, become_owner, node_of, show_json, show_table

if TYPE_CHECKING:
    from datetime import datetime

    from estafeta.certificates.store import Certificate, CertificateStore

commands = typer.Typer(
    name="certificate", help="Certificates of this node.", no_args_is_help=True, rich_markup_mode=None
)

_IN_USE = "`estafeta reload` puts it into use."

Name = Annotated[str, typer.Argument(help="As listeners in estafeta.toml name it.")]


@commands.command(name="list")
def list_certificates(context: typer.Context, as_json: Json = False) -> None:
    """List certificates, their names and dates, and what is wrong with them."""
    from datetime import UTC, datetime

    from estafeta.certificates.store import CertificateStore
    from estafeta.core.errors import EstafetaError

    node = node_of(context)
    become_owner(node)
    store = CertificateStore(node.home.certificates)
    now = datetime.now(UTC)
    rows = []
    for name in store.names():
        try:
            rows.append(_row(store.load(name), now))
        except EstafetaError as error:
            rows.append({"name": name, "hosts": [], "not_after": "", "self_signed": False, "problem": error.public})
    if as_json:
        show_json(rows)
        return
    columns = ["name", "hosts", "not_after", "self_signed", "problem"]
    heads = ["Name", "Hosts", "Until", "Self-signed", "Problem"]
    show_table(heads, [[row[column] for column in columns] for row in rows])


@commands.command()
def renew(
    context: typer.Context,
    name: Name = "default",
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="HOST", help="A name it is for; may be repeated.")
    ] = None,
) -> None:
    """Make a new self-signed certificate, for the hosts of the old one unless others are named."""
    from datetime import UTC, datetime

    from estafeta.certificates.selfsigned import make_self_signed
    from estafeta.certificates.store import CertificateStore

    node = node_of(context)
    become_owner(node)
    store = CertificateStore(node.home.certificates)
    hosts = list(host or _hosts_of_old(store, name) or [node.config.hostname])
    made = store.save(name, make_self_signed(hosts, datetime.now(UTC)))
    typer.echo(f"Made certificate {name} for {', '.join(made.hosts)} until {made.not_after:%Y-%m-%d}. {_IN_USE}")


@commands.command()
def install(
    context: typer.Context,
    certificate: Annotated[str, typer.Argument(help="PEM file: the certificate and its chain.")],
    key: Annotated[str, typer.Argument(help="PEM file: the private key, without a password.")],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="As listeners in estafeta.toml name it.")
    ] = "default",
) -> None:
    """Take a certificate and its key in; both are checked first."""
    from estafeta.certificates.selfsigned import PemPair
    from estafeta.certificates.store import CertificateStore
    from estafeta.cli.common import read_text

    pair = PemPair(read_text(certificate).encode(), read_text(key).encode())
    node = node_of(context)
    become_owner(node)
    made = CertificateStore(node.home.certificates).save(name, pair)
    typer.echo(f"Installed certificate {name} for {', '.join(made.hosts)} until {made.not_after:%Y-%m-%d}. {_IN_USE}")


def _hosts_of_old(store: "CertificateStore", name: str) -> tuple[str, ...]:
    """The hosts of the certificate that is replaced; one that somebody else signed is not replaced just so."""
    from estafeta.core.errors import EstafetaError, Kind

    try:
        old = store.load(name)
    except EstafetaError:
        return ()
    if not old.self_signed:
        raise EstafetaError(
            Kind.EXISTS,
            f"Certificate {name} is not self-signed: install its successor with `estafeta certificate install`,"
            " or name the hosts with --host to replace it by a self-signed one.",
        )
    return old.hosts


def _row(certificate: "Certificate", now: "datetime") -> dict[str, object]:
    return {
        "name": certificate.name,
        "hosts": list(certificate.hosts),
        "not_after": f"{certificate.not_after:%Y-%m-%d}",
        "self_signed": certificate.self_signed,
        "problem": certificate.problem(now),
    }
