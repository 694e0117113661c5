"""sendmail's options, its exit statuses, and where it finds the server."""

import io
from pathlib import Path

import pytest

from estafeta.app.config import Node, parse_config
from estafeta.app.home import Home
from estafeta.app.sendmail.client import Place, Reply
from estafeta.app.sendmail.options import Request, SendmailError, Status, parse_options
from estafeta.app.sendmail.run import find_place, main, status_of


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ("a@x.test", Request(("a@x.test",))),
        ("-t", Request(read_recipients=True)),
        ("-t -i", Request(read_recipients=True, dot_ends=False)),
        ("-ti b", Request(("b",), read_recipients=True, dot_ends=False)),
        ("-oi a", Request(("a",), dot_ends=False)),
        ("-o i a", Request(("a",), dot_ends=False)),
        ("-O IgnoreDots=true a", Request(("a",), dot_ends=False)),
        ("-f me@x.test a", Request(("a",), sender="me@x.test")),
        ("-fme@x.test a", Request(("a",), sender="me@x.test")),
        ("-r me a", Request(("a",), sender="me")),
        ("-f <> a", Request(("a",), sender="")),
        ("-F Me a", Request(("a",), full_name="Me")),
        ("-bs", Request(speak_smtp=True)),
        ("-bm a", Request(("a",))),
        ("-oem -oee -odb -oeq -B8BITMIME -G -U -v -n -m -h 3 -p ESMTP a", Request(("a",))),
        ("-Nnever -R hdrs -V id a", Request(("a",), notify="NEVER", ret="HDRS", envid="id")),
        ("-N success,delay a", Request(("a",), notify="SUCCESS,DELAY")),
        ("a -f me b", Request(("a", "b"), sender="me")),
        ("-f me -- -q", Request(("-q",), sender="me")),
    ],
)
def test_options(words: str, request_: Request):
    assert parse_options(words.split()) == request_


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "no recipients"),
        ("-f", "requires argument"),
        ("-N sometimes a", "-N takes never, or some of success, failure and delay"),
        ("-R some a", "-R takes full or hdrs"),
        ("-bi", "aliases are in the directory"),
        ("-bd", "estafeta serve"),
        ("-bz", "there is no such mode"),
        ("-Z a", "not recognized"),
        ("--what a", "not recognized"),
    ],
)
def test_refused_options(words: str, sentence: str):
    with pytest.raises(SendmailError, match=sentence) as error:
        parse_options(words.split())
    assert error.value.status == Status.USAGE


@pytest.mark.parametrize(
    ("reply", "recipient", "status"),
    [
        ("450 4.2.1 later", True, 75),
        ("421 4.3.2 closing", False, 75),
        ("550 5.1.1 unknown", True, 67),
        ("550 no", True, 67),
        ("550 5.1.2 no such host", True, 68),
        ("550 5.3.2 not a relay", True, 69),
        ("554 5.7.1 may not", False, 77),
        ("552 5.3.4 too large", False, 69),
        ("550", False, 69),
    ],
)
def test_statuses(reply: str, recipient: bool, status: int):
    code, _, text = reply.partition(" ")
    assert status_of(Reply(int(code), (text,)), recipient=recipient) == status


def node(tmp_path: Path, *listeners: str) -> Node:
    text = 'hostname = "mx.example.test"\n' + "".join(f"[[listener]]\n{one}\n" for one in listeners)
    return Node(Home.at(tmp_path), parse_config(text.encode(), "the file"))


@pytest.mark.parametrize(
    ("listeners", "place"),
    [
        (['service = "smtp"'], Place("127.0.0.1", 25)),
        (['service = "smtp"\naddress = "::"\nport = 2525'], Place("::1", 2525)),
        (['service = "pop3"', 'service = "smtp"\naddress = "192.0.2.1"'], Place("192.0.2.1", 25)),
        (['service = "smtp"\nstart = false', 'service = "lmtp"\nport = 24'], Place("127.0.0.1", 24, lmtp=True)),
    ],
)
def test_place(tmp_path: Path, listeners: list[str], place: Place):
    assert find_place(node(tmp_path, *listeners)) == place


def test_place_of_a_socket_in_the_home(tmp_path: Path):
    found = find_place(node(tmp_path, 'service = "lmtp"\npath = "run/lmtp.sock"'))
    assert found == Place(path=tmp_path / "run" / "lmtp.sock", lmtp=True)


def test_no_place(tmp_path: Path):
    with pytest.raises(SendmailError, match="no listener for smtp"):
        find_place(node(tmp_path, 'service = "lmtp"\nport = 24'), smtp_only=True)
    assert find_place(None) == Place("127.0.0.1", 25)


def test_a_home_without_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(Home.at(tmp_path), ["a"], stdin=io.BytesIO(b"x"), stdout=io.BytesIO()) == Status.CONFIG
    assert "There is no server at" in capsys.readouterr().err


def test_a_server_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "estafeta.toml").write_text(
        'hostname = "mx.test"\n[[listener]]\nservice = "lmtp"\npath = "none.sock"\n'
    )
    assert main(Home.at(tmp_path), ["a"], stdin=io.BytesIO(b"x"), stdout=io.BytesIO()) == Status.TEMPFAIL
    assert "cannot be reached" in capsys.readouterr().err
