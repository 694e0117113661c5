"""What a message becomes at servers that offer this and not that."""

import pytest

from estafeta.delivery.connection_plan import Offer, plan_transmission, wants_seven_bit
from estafeta.delivery.values import MemorySource, Receiver, Transmission
from estafeta.protocols.smtp.client_extensions import Extensions
from estafeta.queue.values import EntryFlag

ALL = Extensions(
    "mx", esmtp=True, size_offered=True, size=1000, eight_bit=True, chunking=True, binary=True, smtputf8=True, dsn=True,
    require_tls=True,
)  # fmt: skip
NOTHING = Extensions("mx")
FLAGS = EntryFlag
DSN = Receiver("c@d.test", "SUCCESS", "rfc822;x@y.test")


def message(flags: EntryFlag = FLAGS.NONE, sender: str = "a@b.test", *receivers: Receiver) -> Transmission:
    return Transmission(sender, receivers or (DSN,), MemorySource(b""), flags, "id", "HDRS")


@pytest.mark.parametrize(
    ("flags", "extensions", "tls", "mail", "rcpt"),
    [
        (
            FLAGS.NONE,
            ALL,
            False,
            "MAIL FROM:<a@b.test> SIZE=10 RET=HDRS ENVID=id",
            "RCPT TO:<c@d.test> NOTIFY=SUCCESS ORCPT=rfc822;x@y.test",
        ),
        (FLAGS.NONE, NOTHING, False, "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>"),
        (FLAGS.EIGHT_BIT | FLAGS.UTF8, NOTHING, False, "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>"),
        (
            FLAGS.EIGHT_BIT | FLAGS.UTF8 | FLAGS.REQUIRE_TLS,
            ALL,
            True,
            "MAIL FROM:<a@b.test> SIZE=10 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=id",
            "RCPT TO:<c@d.test> NOTIFY=SUCCESS ORCPT=rfc822;x@y.test",
        ),
        (
            FLAGS.BINARY,
            ALL,
            False,
            "MAIL FROM:<a@b.test> SIZE=10 BODY=BINARYMIME RET=HDRS ENVID=id",
            "RCPT TO:<c@d.test> NOTIFY=SUCCESS ORCPT=rfc822;x@y.test",
        ),
    ],
)
def test_commands(flags: EntryFlag, extensions: Extensions, tls: bool, mail: str, rcpt: str) -> None:
    plan = plan_transmission(message(flags), Offer("mx", extensions, tls), 10, ascii_header=True)
    assert (plan.mail.decode(), plan.rcpts[0].decode()) == (mail + "\r\n", rcpt + "\r\n")
    assert plan.refusals == (None,)


@pytest.mark.parametrize(
    ("flags", "extensions", "tls", "size", "ascii_header", "status"),
    [
        (FLAGS.UTF8, NOTHING, False, 10, False, "5.6.7"),
        (FLAGS.NONE, ALL, False, 1001, True, "5.3.4"),
        (FLAGS.REQUIRE_TLS, NOTHING, True, 10, True, "5.7.30"),
        (FLAGS.REQUIRE_TLS, ALL, False, 10, True, "5.7.30"),
    ],
)
def test_messages_that_cannot_go(
    flags: EntryFlag, extensions: Extensions, tls: bool, size: int, ascii_header: bool, status: str
) -> None:
    receivers = (DSN, DSN._replace(address="e@f.test"))
    plan = plan_transmission(
        message(flags, "a@b.test", *receivers), Offer("mx", extensions, tls), size, ascii_header=ascii_header
    )
    assert [refusal.status for refusal in plan.refusals] == [status, status]
    assert all("mx" in refusal.text for refusal in plan.refusals)


def test_addresses_at_a_server_without_smtputf8() -> None:
    receivers = (Receiver("jané@d.test"), Receiver("jane@señor.test"), Receiver("jane@d.test"))
    plan = plan_transmission(
        message(FLAGS.UTF8, "a@ü.test", *receivers), Offer("mx", NOTHING, False), 10, ascii_header=True
    )
    assert plan.mail == b"MAIL FROM:<a@xn--tda.test>\r\n"
    assert [refusal and refusal.status for refusal in plan.refusals] == ["5.6.7", None, None]
    assert plan.rcpts[1:] == (b"RCPT TO:<jane@xn--seor-hqa.test>\r\n", b"RCPT TO:<jane@d.test>\r\n")
    plan = plan_transmission(message(FLAGS.NONE, "ü@b.test"), Offer("mx", NOTHING, False), 10, ascii_header=True)
    assert plan.refusals[0].status == "5.6.7"


def test_addresses_that_would_end_a_line() -> None:
    offer = Offer("mx", ALL, False)
    plan = plan_transmission(message(FLAGS.NONE, "", Receiver("a\r\nDATA@b.test"), DSN), offer, 10, ascii_header=True)
    assert [refusal and refusal.status for refusal in plan.refusals] == ["5.1.3", None]
    plan = plan_transmission(message(FLAGS.NONE, "a\n@b.test"), offer, 10, ascii_header=True)
    assert plan.refusals[0].status == "5.1.7"


@pytest.mark.parametrize(
    ("flags", "extensions", "chunking", "wanted"),
    [
        (FLAGS.NONE, NOTHING, True, False),
        (FLAGS.EIGHT_BIT, NOTHING, True, True),
        (FLAGS.EIGHT_BIT, ALL, True, False),
        (FLAGS.BINARY, ALL, True, False),
        (FLAGS.BINARY, ALL, False, True),
        (FLAGS.BINARY | FLAGS.EIGHT_BIT, NOTHING, True, True),
    ],
)
def test_seven_bits(flags: EntryFlag, extensions: Extensions, chunking: bool, wanted: bool) -> None:
    assert wants_seven_bit(flags, Offer("mx", extensions, False, chunking)) is wanted
