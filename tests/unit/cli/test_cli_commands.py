"""Commands against a real store: what they do, print and answer as JSON, and one sentence when they cannot."""

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import populate
from estafeta.cli import commands, main
from estafeta.cli.commands import FILES, commands_of


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two users, made once."""
    root = tmp_path_factory.mktemp("template") / "mail"
    users = {"anna@example.test": "a good password", "ben@example.test": "another password"}
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(Home.at(root), choices, lambda node: populate(node, "example.test", users))
    return root


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "mail"))


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line on the home, in this process."""

    def run(*words: str, stdin: str = "", at: Path | None = None) -> Result:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(at or home), *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Result(int(ended.value.code or 0), said.out, said.err)

    return run


def test_user_life(run: Run):
    added = run("user", "add", "carla", "--password-stdin", "--name", "Carla C", "--quota", "2G", stdin="long enough\n")
    assert (added.status, added.out) == (0, "Added carla@example.test.\n")
    shown = run("user", "show", "carla@example.test", "--json").json
    assert (shown["display_name"], shown["quota_bytes"], shown["has_password"]) == ("Carla C", 2 << 30, True)
    assert [user["address"].split("@")[0] for user in run("user", "list", "--json").json] == ["anna", "ben", "carla"]
    changed = run(
        "user", "change", "carla", "--quota", "inherit", "--language", "es", "--add-address", "c@example.test"
    )
    assert changed.status == 0
    shown = run("user", "show", "c@example.test", "--json").json
    assert (shown["quota_inherited"], shown["language"], shown["address"]) == (True, "es", "carla@example.test")
    assert run("user", "redirect", "carla", "x@else.test", "--copy").out == (
        "Mail for carla@example.test goes to x@else.test (and the mailbox).\n"
    )
    assert run("user", "redirect", "carla", "--off").out == "Mail for carla@example.test goes to the mailbox.\n"
    assert run("user", "disable", "carla").status == run("user", "enable", "carla").status == 0
    assert run("user", "remove", "carla").status == 0
    assert run("user", "show", "carla").status == 1
    assert run("user", "restore", "carla").status == 0
    assert run("user", "remove", "carla").status == 0
    assert [user["state"] for user in run("user", "list", "--removed", "--json").json] == [
        "active",
        "active",
        "removed",
    ]
    assert run("user", "purge", "carla", "--yes").out == "Purged carla: 0 messages deleted.\n"
    assert run("user", "restore", "carla").status == 1


def test_a_user_may_be_granted_other_names_to_send_in(run: Run):
    assert "may send as ben@example.test" in run("user", "grant", "anna", "ben").out
    assert run("user", "show", "anna", "--json").json["may_send_as"] == ["ben@example.test"]
    assert "May send as" in run("user", "show", "anna").out
    assert run("user", "grant", "anna", "nobody@example.test").status == 1
    assert "no longer" in run("user", "revoke", "anna", "ben").out
    assert run("user", "revoke", "anna", "ben").status == 1


def test_sign_ins_are_blocked_and_let_go_again(run: Run):
    assert run("block", "list").out == ""  # said on a terminal only
    assert "for good" in run("block", "add", "--network", "198.51.100.9/24", "--why", "guesses").out
    assert "anna@example.test" in run("block", "add", "--user", "anna", "--for", "12h").out
    found = {(one["network"], one["login"]): one for one in run("block", "list", "--json").json}
    assert set(found) == {("198.51.100.0/24", ""), ("", "anna@example.test")}
    assert found["198.51.100.0/24", ""]["reason"] == "guesses"
    ends = found["", "anna@example.test"]
    assert ends["until_seconds"] - ends["begun_seconds"] == 12 * 3600
    assert "operator" in run("block", "list").out
    assert run("block", "remove", "--network", "198.51.100.0/24").status == 0
    assert run("block", "remove", "--user", "anna").status == 0
    assert run("block", "list", "--json").json == []
    for words in (["add"], ["add", "--network", "x"], ["add", "--user", "nobody"], ["remove", "--user", "anna"]):
        assert run("block", *words).status == 1
    assert run("block", "add", "--user", "anna", "--for", "soon").status == 2


def test_what_users_send_is_held_and_let_go_again(run: Run):
    assert run("rates", "list").out == ""
    assert "is held" in run("rates", "hold", "anna", "--why", "asked to").out
    [held] = run("rates", "list", "--json").json
    assert (held["user"], held["reason"]) == ("anna@example.test", "asked to")
    assert "held since" in run("rates", "list").out
    assert "is held" in run("status").out
    assert "without a limit" in run("rates", "release", "anna", "--hours", "2").out
    assert "no limit until" in run("rates", "list").out
    assert "is held" not in run("status").out
    assert run("rates", "hold", "nobody").status == 1
    [other] = run("rates", "list", "ben", "--json").json
    assert (other["today"], other["held_since_seconds"]) == (0, 0)


def test_a_password_is_made_where_nobody_can_be_asked(run: Run):
    added = run("user", "add", "carla")
    password = added.out.split("Password: ")[1].split()[0]
    assert len(password) == 19
    changed = run("user", "passwd", "carla")
    assert password not in changed.out
    assert "(shown only now)" in changed.out


@pytest.mark.parametrize(
    ("words", "stdin", "status", "said"),
    [
        (("user", "add", "anna", "--password-stdin"), "long enough\n", 1, "estafeta: "),
        (("user", "add", "x@nowhere.test", "--password-stdin"), "long enough\n", 1, "estafeta: "),
        (("user", "add", "carla", "--password-stdin"), "short\n", 1, "estafeta: "),
        (("user", "add", "carla", "--password-stdin"), "", 2, "there is no password on standard input"),
        (("user", "add", "carla", "--quota", "much"), "", 2, "'much' is not a size"),
        (("user", "add", "carla", "--language", "xx"), "", 1, "en, es, ja"),
        (("user", "add", "carla", "--services", "pop3,telnet"), "", 2, "submission, pop3, imap, web"),
        (("user", "add"), "", 2, "Missing argument"),
        (("user", "show", "nobody"), "", 1, "estafeta: "),
        (("user", "redirect", "anna"), "", 2, "name the targets, or --off"),
        (("user", "purge", "anna"), "", 2, "add --yes"),
        (("user", "purge", "anna", "--yes"), "", 1, "remove the user first"),
        (("user", "import", "/no/such/file"), "", 1, "estafeta: /no/such/file: no such file or directory."),
        (("user", "sing"), "", 2, "No such command"),
        (("domain", "add", "not a domain"), "", 1, "is not a domain name"),
        (("domain", "remove", "example.test"), "", 1, "estafeta: "),
        (("domain", "show", "nowhere.test"), "", 1, "estafeta: "),
        (("alias", "show", "nobody"), "", 1, "estafeta: "),
        (("alias", "add", "anna", "ben"), "", 1, "estafeta: "),
        (("group", "show", "nobody"), "", 1, "estafeta: "),
        (("config", "set", "smtp.max_mesage_bytes", "1"), "", 1, "the nearest is 'smtp.max_message_bytes'"),
        (("config", "set", "smtp.max_message_bytes", "1"), "", 1, "smtp.max_message_bytes must be"),
        (("config", "show", "smtp.xyzzy"), "", 1, "There is no setting"),
        (("config", "rollback", "99"), "", 1, "There is no change 99"),
        (("config", "apply", "-"), "x = ", 1, "not TOML"),
        (("certificate", "install", "/no/such/file", "/no/such/file"), "", 1, "estafeta: /no/such/file: no such file"),
        (("reload",), "", 1, "No server is running at"),
        (("stop",), "", 1, "No server is running at"),
        (("nonsense",), "", 2, "No such command"),
        (("--nonsense",), "", 2, "No such option"),
        (("setup", "--domain", "example.test"), "", 1, "There is a server at"),
    ],
)
def test_refused_in_one_sentence(run: Run, words: tuple[str, ...], stdin: str, status: int, said: str):
    result = run(*words, stdin=stdin)
    assert result.status == status, result
    assert said in result.err
    if status == 1:
        assert result.err.count("\n") == 1
        assert result.err.endswith(".\n")


def test_domains(run: Run):
    added = run("domain", "add", "Second.test", "--max-users", "3", "--quota", "1G").out
    assert added.startswith("Added second.test.\n")
    assert "estafeta dkim show second.test" in added
    assert run("domain", "add", "third.test", "--alias-of", "second.test").status == 0
    assert run("domain", "change", "second.test", "--catch-all", "anna@example.test", "--max-message", "5M").status == 0
    listed = {one["name"]: one for one in run("domain", "list", "--json").json}
    assert listed["third.test"]["alias_of"] == "second.test"
    assert listed["second.test"]["catch_all"] == "anna@example.test"
    assert listed["second.test"]["max_message_bytes"] == 5 << 20
    assert run("domain", "disable", "second.test").status == 0
    assert run("domain", "show", "second.test", "--json").json["state"] == "disabled"
    assert run("domain", "enable", "second.test").status == 0
    assert "1 GiB" in run("domain", "show", "second.test").out
    assert run("domain", "remove", "third.test").out == "Removed third.test.\n"


def test_aliases(run: Run, tmp_path: Path):
    assert run("alias", "add", "info", "anna", "x@else.test").out == (
        "info@example.test stands for anna@example.test, x@else.test.\n"
    )
    assert run("alias", "list", "--json").json == [
        {"address": "info@example.test", "targets": ["anna@example.test", "x@else.test"]}
    ]
    assert run("alias", "show", "info").out == "anna@example.test\nx@else.test\n"
    file = tmp_path / "aliases"
    file.write_text("sales: anna, ben\nbad: |/bin/sh\n")
    tried = run("alias", "import", str(file), "--dry-run")
    assert tried.out.startswith("Would add 1, changed 0, 1 lines")
    assert tried.err.startswith("line 2: ")
    assert run("alias", "import", str(file)).out.startswith("Added 1,")
    exported = run("alias", "export").out
    assert "sales: anna, ben\n" in exported
    assert run("alias", "remove", "sales", "anna").status == run("alias", "remove", "sales").status == 0
    assert run("alias", "show", "sales").status == 1
    assert run("alias", "import", "-", stdin=exported).status == 0
    assert run("alias", "export").out == exported


def test_groups(run: Run):
    assert run("group", "add", "team", "anna", "--name", "The team").out == "Added team@example.test with 1 members.\n"
    assert run("group", "join", "team", "ben").out == "team@example.test has 2 members.\n"
    assert run("group", "show", "team").out == "anna@example.test\nben@example.test\n"
    assert run("group", "leave", "team", "anna").out == "team@example.test has 1 members.\n"
    assert run("group", "list", "--json").json[0]["members"] == ["ben@example.test"]
    assert run("group", "remove", "team").status == 0


def test_settings(run: Run, tmp_path: Path):
    key = "smtp.max_recipients"
    assert run("config", "set", key, "500", "--why", "too many").out == f"{key}: 1000 -> 500\n"
    assert run("config", "show", key, "--json").json == {key: 500}
    assert set(run("config", "show", "pop3", "--json").json) >= {"pop3.security", "pop3.apop"}
    exported = run("config", "export").out
    assert "\nmax_recipients = 500\n" in exported
    file = tmp_path / "site.toml"
    file.write_text(exported.replace("max_recipients = 500", "max_recipients = 600"))
    assert run("config", "apply", str(file), "--dry-run").out == f"{key}: 500 -> 600\n"
    assert run("config", "show", key, "--json").json == {key: 500}
    assert run("config", "apply", str(file)).out == f"{key}: 500 -> 600\nApplied 1 changes.\n"
    assert run("config", "apply", str(file)).out == "Nothing differs.\n"
    history = run("config", "history", "--json").json
    assert [change["why"] for change in history] == ["", "too many"]
    assert run("config", "rollback", str(history[0]["change_id"])).out == f"{key}: 600 -> 500\n"
    assert run("config", "unset", key).out == f"{key}: 500 -> 1000\n"
    assert run("config", "unset", key).out == "Nothing changes: it is so already.\n"


def test_certificates(run: Run, home: Path, tmp_path: Path):
    before = run("certificate", "list", "--json").json
    assert [(one["name"], one["hosts"], one["problem"]) for one in before] == [
        ("default", ["mx.example.test", "example.test"], "")
    ]
    old = (home / "certificates" / "default.crt").read_bytes()
    assert "mx.example.test, example.test" in run("certificate", "renew").out
    assert (home / "certificates" / "default.crt").read_bytes() != old
    assert run("certificate", "renew", "second", "--host", "mx.second.test").status == 0
    crt, key = (str(home / "certificates" / f"second.{end}") for end in ("crt", "key"))
    assert run("certificate", "install", crt, key, "--name", "third").status == 0
    assert run("certificate", "install", crt, str(home / "certificates" / "default.key")).status == 1
    assert [one["name"] for one in run("certificate", "list", "--json").json] == ["default", "second", "third"]


def test_status_without_a_server(run: Run, home: Path):
    told = run("status", "--json")
    assert told.status == 1
    assert told.json["running"] is False
    assert told.json["problems"] == [f"It is not running: start it with `estafeta --home {home} serve`."]
    assert {one["service"]: one["state"] for one in told.json["services"]}["smtp"] == "stopped"
    assert run("status").status == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda home: (home / "certificates" / "default.key").unlink(), "There is no certificate default"),
        (lambda home: shutil.rmtree(home / "data"), "The data directory"),
        (lambda home: (home / "data" / "estafeta.sqlite").write_bytes(b"not a database, not at all" * 100), "database"),
        (lambda home: (home / "data" / "estafeta.sqlite").unlink(), "no tables yet"),
    ],
)
def test_status_says_what_is_wrong(run: Run, home: Path, damage: Callable[[Path], object], words: str):
    damage(home)
    told = run("status", "--json")
    assert told.status == 1
    assert any(words in problem for problem in told.json["problems"]), told.out


def test_status_sees_a_full_disk(run: Run):
    run("config", "set", "store.minimum_free_mib", str(1 << 30))
    assert any("new mail is put off" in problem for problem in run("status", "--json").json["problems"])


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "the mail domain is missing"),
        (("--domain", "example.test", "--site", "moon"), 2, "--site must be"),
        (("--domain", "example.test", "--site", "smarthost"), 1, "name it, as in --smarthost"),
        (("--domain", "example.test", "--site", "satellite", "--smarthost", "[mail.isp"), 1, "estafeta: "),
        (("--domain", "example.test", "--smarthost", "[mail.isp.test]:587"), 1, "--smarthost is for the sites"),
        (("--domain", "example.test", "--port-base", "80"), 1, "port base"),
        (("--domain", "-", "--port-base", "20000"), 1, "estafeta: "),
        (("--domain", "example.test", "--hostname", "a b", "--port-base", "20000"), 1, "hostname"),
        (("--domain", "example.test", "--port-base", "20000", "--user", "x@else.test"), 1, "estafeta: "),
        (("--domain", "example.test", "--run-as", "nosuchuser"), 1, "There is no system user nosuchuser"),
    ],
)
def test_setup_refuses_and_leaves_nothing(run: Run, tmp_path: Path, words: tuple[str, ...], status: int, said: str):
    place = tmp_path / "new" / "mail"
    place.parent.mkdir()
    result = run("setup", "--yes", *words, at=place)
    assert (result.status, said in result.err) == (status, True), result
    assert list(place.parent.iterdir()) == []


def test_setup_makes_a_home_that_works(run: Run, tmp_path: Path):
    place = tmp_path / "new"
    made = run("setup", "--yes", "--domain", "new.test", "--hostname", "mx.new.test", "--port-base", "21000", at=place)
    assert made.status == 0
    assert "21025" in made.out
    assert run("user", "add", "anna", at=place).status == 0
    assert run("domain", "list", "--json", at=place).json[0]["name"] == "new.test"
    assert run("setup", "--yes", "--domain", "new.test", at=place).status == 1


@pytest.mark.parametrize(("site", "domains"), [("smarthost", 1), ("satellite", 0)])
def test_sites_that_send_through_another_server(run: Run, tmp_path: Path, site: str, domains: int):
    place = tmp_path / "new"
    words = ("--domain", "new.test", "--port-base", "21000", "--site", site, "--smarthost", "[mail.isp.test]:587")
    made = run("setup", "--yes", *words, at=place)
    assert "smarthost set '[mail.isp.test]:587' USER" in made.out
    assert len(run("domain", "list", "--json", at=place).json) == domains
    assert "[mail.isp.test]:587" in run("config", "show", "routing.smarthost", at=place).out


def test_a_local_site_sends_nothing_out(run: Run, tmp_path: Path):
    place = tmp_path / "new"
    run("setup", "--yes", "--domain", "new.test", "--port-base", "21000", "--site", "local", at=place)
    assert "off" in run("config", "show", "routing.outward", at=place).out


def test_no_home(run: Run, tmp_path: Path):
    result = run("user", "list", at=tmp_path / "nothing")
    assert result.status == 1
    assert "make one with `estafeta setup`" in result.err


def test_a_mistake_of_ours_is_one_sentence_too(run: Run, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("estafeta.app.config.parse_config", fail)
    result = run("status")
    assert result.status == 1
    assert "ZeroDivisionError: oops" in result.err
    assert "--debug" in result.err


def test_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("estafeta.app.config.parse_config", interrupt)
    result = run("status")
    assert (result.status, result.err) == (130, "estafeta: interrupted.\n")


@pytest.mark.parametrize("file", sorted(set(FILES.values())))
def test_each_command_is_found_in_its_file(file: str):
    assert set(commands_of(file)) == {name for name, place in FILES.items() if place == file}


def test_each_file_of_commands_is_named():
    folder = Path(commands.__file__).parent
    files = {
        path.stem for path in folder.glob("*.py") if re.search(r"(?m)^(def add_commands|commands = )", path.read_text())
    }
    # What is in these is put into the groups of `dmarc` and `policy`.
    assert files - set(FILES.values()) == {"dmarc_more", "scanners"}


def test_help_imports_nothing_dear():
    code = (
        "import sys, io; sys.argv = ['estafeta', '--help']; sys.stdout = io.StringIO()\n"
        "from estafeta.cli.main import run\n"
        "try: run()\n"
        "except SystemExit as end: status = end.code\n"
        "dear = {'sqlalchemy', 'pydantic', 'rich', 'cryptography', 'uvloop', 'asyncio', 'alembic'} & set(sys.modules)\n"
        "sys.stderr.write(f'{status} {sorted(dear)}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "0 []"


def test_a_reader_that_goes_away_is_no_error(home: Path):
    command = f"{sys.executable} -m estafeta --home {home} config export | head -c 1 >/dev/null"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_version(run: Run):
    from estafeta import __version__

    assert run("--version").out == f"estafeta {__version__}\n"
