"""The node file: what it may say, and one sentence for what it may not."""

from pathlib import Path

import pytest

from estafeta.app.config import Service, load_node, parse_config
from estafeta.app.home import Home
from estafeta.app.node_file import Choices, Site, render_node_file
from estafeta.core.errors import EstafetaError, Kind

HOST = 'hostname = "mx.example.test"\n'


def test_the_least_that_is_needed():
    config = parse_config(HOST.encode(), "f")
    assert (config.hostname, config.data, config.workers, config.grace_seconds) == ("mx.example.test", "data", 0, 30)
    assert config.listeners == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "f: the key `hostname` is missing."),
        (HOST + "wrokers = 2", "f: unknown key `wrokers`; did you mean `workers`?."),
        (HOST + "xyzzy = 2", "f: unknown key `xyzzy`; known here are hostname, data, workers"),
        (HOST + "[log]\nlevle = 'info'", "f: unknown key `log.levle`; did you mean `level`?."),
        (
            HOST + "[[listener]]\nservice = 'smtp'\nprot = 25",
            "f: unknown key `listener[1].prot`; did you mean `port`?.",
        ),
        (HOST + "[[listeners]]\nservice = 'smtp'", "f: unknown key `listeners`; did you mean `listener`?."),
        (
            HOST + "[[listener]]\nservice = 'smpt'",
            "f: `listener[1].service` is 'smpt'; it must be 'smtp', 'submission'",
        ),
        (
            HOST + "[[listener]]\nservice = 'smtp'\nport = 70000",
            "f: `listener[1].port` = 70000: input should be less than",
        ),
        (HOST + "[[listener]]\nservice = 'smtp'\npath = 'x'", "f: `listener[1]`: path is for lmtp only"),
        (HOST + "[[listener]]\nservice='lmtp'\npath='x'\nport=24", "f: `listener[1]`: give either a path or a port"),
        (HOST + "[[listener]]\nservice='smtp'\n[[listener]]\nservice='pop3'\nport=25", "f: two listeners want *:25"),
        (
            HOST + "[[listener]]\nservice='smtp'\ncertificate='../x'",
            "f: `listener[1].certificate` = '../x' is not of the",
        ),
        (HOST + "workers = -1", "f: `workers` = -1: input should be greater than or equal to 0."),
        (
            HOST + "workers = -1\ngrace_seconds = -1",
            "f: `workers` = -1: input should be greater than or equal to 0 (and 1",
        ),
        ('hostname = "bad name"', "f: `hostname` = 'bad name' is not of the form it needs (this machine's name"),
        (HOST + "[database]\nurl = 'mysql://x'", "f: `database.url` = 'mysql://x' is not of the form it needs"),
        (HOST + "log = 3", "f: `log` = 3: input should be"),
        ("hostname = ", "f is not valid TOML: "),
    ],
)
def test_what_is_wrong_in_one_sentence(text: str, sentence: str):
    with pytest.raises(EstafetaError) as caught:
        parse_config(text.encode(), "f")
    assert caught.value.kind is Kind.INVALID
    assert caught.value.public.startswith(sentence)
    assert "\n" not in caught.value.public


def test_not_utf8():
    with pytest.raises(EstafetaError, match="not UTF-8"):
        parse_config(b'hostname = "\xff"', "f")


def test_a_listener_kept_from_starting_may_share_a_place():
    text = HOST + "[[listener]]\nservice='smtp'\n[[listener]]\nservice='pop3'\nport=25\nstart=false"
    assert [one.start for one in parse_config(text.encode(), "f").listeners] == [True, False]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("service='smtp'", "*:25"),
        ("service='submission'", "*:587"),
        ("service='submissions'", "*:465"),
        ("service='pop3'", "*:110"),
        ("service='pop3s'\naddress='::1'", "[::1]:995"),
        ("service='lmtp'", "*:24"),
        ("service='lmtp'\npath='run/lmtp.sock'", "run/lmtp.sock"),
        ("service='smtp'\naddress='127.0.0.1'\nport=20025", "127.0.0.1:20025"),
    ],
)
def test_places(text: str, place: str):
    assert parse_config(f"{HOST}[[listener]]\n{text}".encode(), "f").listeners[0].place == place


@pytest.mark.parametrize("site", [Site.INTERNET, Site.LOCAL, Site.NONE])
@pytest.mark.parametrize("port_base", [None, 20000])
def test_what_setup_writes_is_what_serve_reads(site: Site, port_base: int | None):
    choices = Choices("example.test", "mx.example.test", site, port_base, user="mail", group="mail", database_url="")
    config = parse_config(render_node_file(choices).encode(), "f")
    by_service = {one.service: one for one in config.listeners}
    assert set(by_service) == set(Service)
    assert {one.start for one in config.listeners} == {site is not Site.NONE}
    assert by_service[Service.SMTP].tcp_port == (25 if port_base is None else 20025)
    assert by_service[Service.SMTP].address == ("*" if port_base is None and site is not Site.LOCAL else "127.0.0.1")
    assert by_service[Service.LMTP].place == ("run/lmtp.sock" if port_base is None else "127.0.0.1:20024")
    assert (config.user, config.group) == ("mail", "mail")


def test_node_paths(tmp_path: Path):
    home = Home.at(tmp_path)
    home.config_file.write_text(HOST + 'data = "/srv/mail"\n[log]\nfile = "x.log"')
    node = load_node(home)
    assert node.data == Path("/srv/mail")
    assert node.database_url == "sqlite:////srv/mail/estafeta.sqlite"
    assert node.log_file == tmp_path / "x.log"


def test_postgresql_uses_the_driver_we_have(tmp_path: Path):
    home = Home.at(tmp_path)
    home.config_file.write_text(HOST + '[database]\nurl = "postgresql://u:p@db/mail"')
    assert load_node(home).database_url == "postgresql+psycopg://u:p@db/mail"


def test_no_home(tmp_path: Path):
    with pytest.raises(EstafetaError) as caught:
        load_node(Home.at(tmp_path / "nothing"))
    assert caught.value.kind is Kind.NOT_FOUND
    assert "estafeta setup" in caught.value.public
