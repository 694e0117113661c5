"""The examples of the manuals that this server follows, on real mail: retry rules, rewriting, smarthosts, routers."""

import itertools
import re
import smtplib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from outward_site import Node, letter, running_node, send
from running import wait_until

from estafeta.app.lab import Behaviour, LabThread
from estafeta.app.lab.behaviours import defer
from estafeta.queue.overview import states

RETRY = "* * F,2h,15m; G,16h,2h,1.5; F,4d,8h"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def node(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    settings = {"queue.retry_rules": RETRY, "queue.jitter_percent": "0"}
    with running_node(tmp_path_factory.mktemp("node") / "home", lab, "oan.es", settings=settings) as made:
        yield made


def relayed(node: Node, content: bytes, recipient: str, sender: str = "") -> None:
    """A letter from a machine that may relay."""
    with smtplib.SMTP("127.0.0.1", node.server.port(25), timeout=20) as client:
        send(client, content, [recipient], sender=sender)


def in_trouble(node: Node, destination: str) -> list[str]:
    """Why a destination cannot be reached."""
    with node.site() as site, site.database.read() as conn:
        return [one.destination.error for one in states(conn, destination) if one.destination.error]


def failures(node: Node, destination: str) -> list[int]:
    """How often it could not be reached."""
    with node.site() as site, site.database.read() as conn:
        return [one.destination.failures for one in states(conn, destination)]


def tried_again(node: Node, domain: str, tries: list[int]) -> bool:
    """Whether it has failed once more, or nothing waits any more."""
    return failures(node, domain) != tries or not node.queued(f"*@{domain}")


def test_the_rewrite_rules_of_the_report(node: Node, lab: LabThread, tmp_path: Path) -> None:
    remote = lab.site("lejos.test")
    (tmp_path / "email-addresses").write_text("# who left\nluis: luis@otro.test\n")
    rules = (
        f"*@zeus.cay.oan.es ${{lookup{{$1}}lsearch{{{tmp_path}/email-addresses}}{{$value}}fail}} frFs",
        "*@*.oan.es $1@oan.es frFs",
        "*@oan.es $1@${qualify_domain} X",
    )
    with node.using(rewrite__address_rules=" ;; ".join(rules)):
        head = {
            "From": '"Usuario (del CAY)" <usuario@cay.oan.es>',
            "Sender": "otro@zeus.cay.oan.es",
            "Reply-To": "luis@zeus.cay.oan.es, x@lejos.test",
            "Cc": "copia@cay.oan.es",
        }
        content = letter("uno", "usuario@cay.oan.es", "destino@lejos.test", head=head)
        relayed(node, content, "destino@lejos.test", "usuario@cay.oan.es")
        relayed(node, letter("dos", "luis@zeus.cay.oan.es", "destino@lejos.test"), "destino@lejos.test")
        with node.client() as client:
            # The third rule: only who has an account here sends from here, and gets mail here.
            assert client.mail("nadie@cay.oan.es")[0] == 553
            assert client.rset()[0] == 250
            assert client.mail("ana@cay.oan.es")[0] == 250
            assert client.rcpt("nadie@oan.es")[0] == 550
            assert client.rcpt("bob@oan.es")[0] == 250
    one, two = sorted(remote.wait(2), key=lambda message: message.content.find(b"Subject: uno") < 0)
    assert (one.sender, two.sender) == ("usuario@oan.es", "luis@otro.test")
    header = one.content.decode().partition("\r\n\r\n")[0]
    assert '\r\nFrom: "Usuario (del CAY)" <usuario@oan.es>' in header
    assert "\r\nSender: otro@oan.es" in header
    assert "\r\nReply-To: luis@otro.test, x@lejos.test" in header
    assert "\r\nCc: copia@cay.oan.es" in header
    assert "\r\nTo: destino@lejos.test" in header
    assert b"\r\nFrom: luis@otro.test\r\n" in two.content


def test_relay_through_a_provider_with_smtp_pass(node: Node, lab: LabThread, tmp_path: Path) -> None:
    behaviour = Behaviour(auth={"relay@midominio.com": "contraseña"})
    try:
        provider = lab.remote("mail.midominio.com", behaviour, port=587)
    except OSError:  # not ours to have, or somebody else has it
        provider = lab.remote("mail.midominio.com", behaviour, port=0)
    server = f"[mail.midominio.com]:{provider.port}"
    (tmp_path / "smtp_pass").write_text(f"{server} relay@midominio.com:contraseña\n")
    done = node.server.run("smarthost", "import", str(tmp_path / "smtp_pass"))
    assert done.returncode == 0, done.stderr
    with node.using(routing__smarthost=server, delivery__tls_rules="mail.midominio.com verify"):
        node.submit("por el proveedor", "alguien@cualquiera.test")
        [taken] = provider.wait()
    assert (taken.user, taken.addresses) == ("relay@midominio.com", ("alguien@cualquiera.test",))
    assert taken.tls.startswith("TLS")
    assert "contraseña" not in node.server.run("smarthost", "list").stdout
    assert "contraseña" not in (node.server.home / "stderr.log").read_text()


def test_a_provider_that_wants_another_password_is_said_plainly(node: Node, lab: LabThread) -> None:
    provider = lab.remote("mail.otro.test", Behaviour(auth={"relay": "another"}))
    server = f"[mail.otro.test]:{lab.port}"
    done = node.server.run("smarthost", "set", server, "relay", "--password-stdin", input="wrong\n")
    assert done.returncode == 0, done.stderr
    with node.using(routing__route_rules=f"clave.test {server}"):
        node.submit("sin clave", "alguien@clave.test")
        provider.wait_command("AUTH")
        wait_until(lambda: bool(in_trouble(node, "mail.otro.test")))
    [reason] = in_trouble(node, "mail.otro.test")
    assert reason == f"mail.otro.test[{provider.address}]:{lab.port} said: 535 5.7.8 Wrong name or password"
    assert reason in node.server.run("queue", "next", "mail.otro.test").stdout
    assert provider.messages == []


def test_nondelivery_gets_a_copy_of_each_notice(node: Node, lab: LabThread) -> None:
    lab.site("rechaza.test", Behaviour(at={"rcpt": "550 5.1.1 No such user"}))
    with node.using(notices__nondelivery_copy="carol@oan.es"):
        node.submit("para nadie", "nadie@rechaza.test")
        node.wait_for("ana", "Action: failed", "nadie@rechaza.test")
        copy = node.wait_for("carol", "nadie@rechaza.test", "para nadie")
    assert "Return-Path: <>" in copy


def test_what_has_no_address_goes_to_the_mail_router(node: Node, lab: LabThread) -> None:
    router, direct = lab.remote("router.test"), lab.site("directo.test")
    with node.using(routing__mail_router="[router.test]"):
        node.submit("sin DNS", "x@interno.lan")
        node.submit("con DNS", "x@directo.test")
        assert router.wait()[0].addresses == ("x@interno.lan",)
        direct.wait()
        with node.using(routing__firewall="on", routing__firewall_except_domains="directo.test"):
            lab.site("fuera.test")
            node.submit("por el cortafuegos", "x@fuera.test")
            node.submit("sin cortafuegos", "x@directo.test")
            assert router.wait(2)[1].addresses == ("x@fuera.test",)
            direct.wait(2)


def test_what_nobody_has_here_goes_to_the_hub(node: Node, lab: LabThread) -> None:
    hub = lab.remote("hub.test")
    with node.using(routing__hub="[hub.test]"):
        node.submit("al centro", "nadie@oan.es", "bob@oan.es", "x@donde.test")
        taken = hub.wait(1)
        wait_until(lambda: sum(len(one.addresses) for one in hub.messages) == 2)
        assert sorted(address for one in taken for address in one.addresses) == ["nadie@oan.es", "x@donde.test"]
    node.wait_for("bob", "Subject: al centro")


def test_a_backup_mx_passes_on_to_the_better_one(node: Node, lab: LabThread) -> None:
    primary = lab.remote("mx.socio.test")
    lab.names.add("socio.test", mx=[(10, "mx.socio.test"), (20, node.host), (30, "mx3.socio.test")])
    with node.using(routing__backup_mx_domains="socio.test"), node.stranger() as client:
        content = letter("de reserva", "who@who.test", "x@socio.test")
        send(client, content, ["x@socio.test"])
        assert client.mail("who@who.test")[0] == 250
        assert client.rcpt("x@elsewhere.test")[0] == 550
    assert primary.wait()[0].addresses == ("x@socio.test",)


def test_the_percent_sign_only_for_who_may_relay(node: Node, lab: LabThread) -> None:
    remote = lab.site("lejano.test")
    with node.using(routing__percent_sign="on"):
        node.submit("por ciento", "x%lejano.test@oan.es")
        with node.stranger() as client:
            client.ehlo()
            client.mail("who@who.test")
            assert client.rcpt("x%lejano.test@oan.es")[0] == 550
    assert remote.wait()[0].addresses == ("x@lejano.test",)


def test_a_message_for_later_waits(node: Node, lab: LabThread) -> None:
    remote = lab.site("manana.test")
    with node.client() as client:
        client.ehlo()
        assert client.esmtp_features["futurerelease"].split()[0] == "2592000"
        ident = send(client, letter("mañana", "ana@oan.es", "x@manana.test"), ["x@manana.test"], ["HOLDFOR=7200"])
        send(client, letter("mañana aquí", "ana@oan.es", "bob@oan.es"), ["bob@oan.es"], ["HOLDFOR=7200"])
    assert "to be sent not before" in node.story(ident)
    node.jump("1h")
    assert len(node.queued("x@manana.test")) == len(node.queued("bob@oan.es")) == 1
    assert remote.messages == []
    node.jump("61m")
    remote.wait()
    node.wait_for("bob", "ma=C3=B1ana_aqu")


def test_four_days_of_the_retry_rule(node: Node, lab: LabThread) -> None:
    remote = lab.site("despues.test", defer("rcpt", "451 4.7.1 Vuelva luego"))
    ident = node.submit("cuatro días", "x@despues.test", user="carol")
    tries: list[float] = []
    waiting = True
    while waiting:
        remote.wait_command("RCPT", len(tries) + 1)
        tries.append(lab.clock())
        wait_until(lambda: not (found := node.queued("x@despues.test")) or found[0].attempts == len(tries))
        waiting = bool(found := node.queued("x@despues.test"))
        if waiting:
            node.jump(f"{found[0].due_ms / 1000 - lab.clock() + 0.01:.3f}s")
    minutes = [round((later - earlier) / 60) for earlier, later in itertools.pairwise(tries)]
    assert minutes == [15] * 8 + [120, 180, 270, 405] + [480] * 9 + [345]
    node.wait_for("carol", "Action: failed", "x@despues.test")
    texts = [text for text in node.inbox("carol") if "x@despues.test" in text]
    assert ["Action: delayed" in text for text in texts] == [True, False]
    assert re.search(r"Diagnostic-Code: smtp; 451 4\.7\.1 Vuelva luego", texts[-1])
    told = node.story(ident)
    assert 'it said "451 4.7.1 Vuelva luego"' in told
    assert "notice of delay sent" in told
    assert "notice of non-delivery sent" in told


def test_a_dead_host_costs_one_attempt_however_much_waits(node: Node, lab: LabThread) -> None:
    lab.names.add("mx.muerto.test", a=[lab.dead_address()])
    lab.names.add("muerto.test", mx=[(10, "mx.muerto.test")])
    ident = node.submit("al muerto", "uno@muerto.test", user="bob")
    wait_until(lambda: bool(in_trouble(node, "muerto.test")))
    for number in range(5):
        node.submit(f"otra {number}", f"u{number}@muerto.test", user="bob")
    assert {one.attempts for one in node.queued("*@muerto.test")} == {0}
    host = f"mx.muerto.test[{lab.lab.names.find('mx.muerto.test').records['A'][0].address}]:{lab.port}"
    told = node.story(ident)
    assert f"muerto.test cannot be reached: {host} could not be reached: connection refused; next try " in told
    while node.queued("*@muerto.test"):
        tries = failures(node, "muerto.test")
        node.jump("8h1m")
        wait_until(partial(tried_again, node, "muerto.test", tries))
    node.wait_for("bob", "Action: failed", "uno@muerto.test")
    notices = [text for text in node.inbox("bob") if "Action: failed" in text and "@muerto.test" in text]
    assert len(notices) == 6
    assert "We tried for 4 days" in " ".join(notices[0].split())
    told = node.story(ident)
    assert told.count("muerto.test cannot be reached: ") == 13  # in four days, and once more before the notices
    assert "notice of delay sent about uno@muerto.test" in told
    assert f"given up for uno@muerto.test: its time is over: {host} could not be reached: connection refused\n" in told


def test_a_lost_reply_is_told(node: Node, lab: LabThread) -> None:
    remote = lab.site("perdido.test", Behaviour(at={"bdat": ["lost", "accept"], "dot": ["lost", "accept"]}))
    ident = node.submit("quizás dos veces", "x@perdido.test")
    remote.wait()
    wait_until(lambda: [one.attempts for one in node.queued("x@perdido.test")] == [1])
    node.jump("16m")
    remote.wait(2)
    node.wait_idle()
    assert "may arrive twice" in node.story(ident)


def test_a_server_without_dsn_is_where_confirmations_end(node: Node, lab: LabThread) -> None:
    lab.site("antiguo.test", Behaviour(without=("DSN", "CHUNKING", "8BITMIME", "PIPELINING")))
    node.submit("confirma", "x@antiguo.test", rcpt=["NOTIFY=SUCCESS"])
    notice = node.wait_for("ana", "Action: relayed", "x@antiguo.test")
    assert "Passed on to mx.antiguo.test, which sends no confirmations" in " ".join(notice.split())
