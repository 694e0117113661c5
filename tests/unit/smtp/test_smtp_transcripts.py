"""SMTP sessions as transcripts; each is played whole, byte by byte and split at random."""

from dataclasses import replace

import pytest
from smtp_phrases import BASE, DATA, HELLO, MAIL, NO, OK, PLAINEST, QUIT, RCPT
from smtp_transcript import check

from estafeta.protocols.smtp import BareLf, Reply, replies

SMTP = {
    "a message": HELLO
    + MAIL
    + RCPT
    + DATA
    + "C: Subject: x\nC: \\+\nC: \nC: hi\nC: .\n"
    + OK
    + r"E: message Subject: x\r\n\r\nhi\r\n"
    + QUIT,
    "an empty message": HELLO + MAIL + RCPT + DATA + "C: .\n" + OK + "E: message " + QUIT,
    "dots are unstuffed": HELLO
    + MAIL
    + RCPT
    + DATA
    + "C: ..\nC: ..a\nC: b.\nC: ...\nC: .c\nC: .\n"
    + OK
    + r"E: message .\r\n.a\r\nb.\r\n..\r\nc\r\n"
    + QUIT,
    "two messages and a client's RSET": HELLO
    + MAIL
    + RCPT
    + "C: RSET\nS: 250 2.0.0 Reset\nE: abandoned\n"
    + MAIL
    + RCPT
    + DATA
    + "C: x\nC: .\n"
    + OK
    + r"E: message x\r\n"
    + "\n"
    + MAIL
    + RCPT
    + DATA
    + "C: y\nC: .\n"
    + OK
    + r"E: message y\r\n"
    + QUIT,
    "a HELO session has no extensions": """
        S: 220 mx.test ESMTP Estafeta
        C: helo client.test
        S: 250 mx.test
        C: MAIL FROM:<a@client.test> SIZE=10
        S: 555 5.5.4 A parameter is not known here
        C: STARTTLS
        S: 503 5.5.1 This needs an extension: greet with EHLO (LHLO in LMTP) first
        C: mail from: a@client.test
        S: 250 2.1.0 Sender accepted
        C: rcpt to:<"odd >name"@mx.test>
        S: 250 2.1.5 Recipient accepted
        C: BDAT 4 LAST
        C: ab
        S: 503 5.5.1 This needs an extension: greet with EHLO (LHLO in LMTP) first
        E: abandoned
    """
    + QUIT,
    "out of sequence": """
        S: 220 mx.test ESMTP Estafeta
        C: MAIL FROM:<a@b.test>
        S: 503 5.5.1 Send HELO or EHLO first (LHLO in LMTP)
        C: DATA
        S: 503 5.5.1 Send HELO or EHLO first (LHLO in LMTP)
        C: NOOP anything
        S: 250 2.0.0 OK
        C: RSET
        S: 250 2.0.0 Reset
        C: VRFY jane
        S: 252 2.5.0 Addresses are not verified; send a message to it and see
        C: HELO client
        S: 250 mx.test
        C: RCPT TO:<jane@mx.test>
        S: 503 5.5.1 Send MAIL first
        C: DATA
        S: 503 5.5.1 Send MAIL first
        C: MAIL FROM:<>
        S: 250 2.1.0 Sender accepted
        C: MAIL FROM:<>
        S: 503 5.5.1 A transaction is under way: finish it or send RSET first
        C: DATA
        S: 554 5.5.1 No valid recipients
        C: EHLO
        S: 501 5.5.4 Say your own name: HELO or EHLO (LHLO) and a domain or an [address]
        C: HELO other
        S: 250 mx.test
        E: abandoned
    """
    + QUIT,
    "syntax": HELLO
    + """
        C: FROB
        S: 500 5.5.2 This command is not known here
        C:
        S: 500 5.5.2 An empty line is no command
        C: LHLO client
        S: 500 5.5.2 This command is not known here
        C: SEND FROM:<a@b.test>
        S: 502 5.5.1 This command is not offered here
        C: TURN
        S: 502 5.5.1 This command is not offered here
        C: EXPN list
        S: 502 5.5.1 This command is not offered here
        C: AUTH PLAIN
        S: 502 5.5.1 This command is not offered here
        C: STARTTLS
        S: 502 5.5.1 This command is not offered here
        C: RSET now
        S: 501 5.5.4 This command takes no argument
        C: VRFY
        S: 501 5.5.4 This command needs an argument
        C: MAIL
        S: 501 5.5.4 Syntax: MAIL FROM:<address> with parameters after a space
        C: MAIL TO:<a@b.test>
        S: 501 5.5.4 Syntax: MAIL FROM:<address> with parameters after a space
        C: MAIL FROM:<a@b.test>SIZE=1
        S: 501 5.5.4 Syntax: MAIL FROM:<address> with parameters after a space
        C: MAIL FROM:<a@@b>
        S: 501 5.1.7 This is no valid sender address
        C: MAIL FROM:<postmaster>
        S: 501 5.1.7 This is no valid sender address
        C: MAIL FROM:<a@b.test> SIZE=1 size=2
        S: 501 5.5.4 A parameter is malformed or given twice
        C: MAIL FROM:<a@b.test> SIZE=x
        S: 501 5.5.4 A parameter is malformed or given twice
        C: MAIL FROM:<a@b.test> BODY=9BIT
        S: 501 5.5.4 A parameter is malformed or given twice
        C: MAIL FROM:<a@b.test> SMTPUTF8=yes
        S: 501 5.5.4 A parameter is malformed or given twice
        C: MAIL FROM:<a@b.test> RET=HDRS
        S: 555 5.5.4 A parameter is not known here
        C: MAIL FROM:<a@b.test> AUTH=<>
        S: 555 5.5.4 A parameter is not known here
        C: MAIL FROM:<a@b.test> SIZE=1001
        S: 552 5.3.4 The message is bigger than the size that EHLO announces
        E: refused 552 from a@b.test to 0
    """
    + MAIL
    + """
        C: RCPT TO:<>
        S: 501 5.1.3 This is no valid recipient address
        C: RCPT TO:<jane@mx.test> NOTIFY=NEVER
        S: 555 5.5.4 A parameter is not known here
        C: RCPT TO:<Postmaster>
        S: 250 2.1.5 Recipient accepted
        C: RCPT TO:<@relay.test,@b.test:jane@mx.test>
        S: 250 2.1.5 Recipient accepted
        E: abandoned
    """
    + QUIT,
    "control characters and line ends in commands": HELLO
    + r"""
        C: NOOP \0
        S: 500 5.5.2 A command holds no CR, LF or other control characters
        C: NOOP\n\+
        S: 500 5.5.2 A line must end with CR LF
        C: NO\rOP
        S: 500 5.5.2 A command holds no CR, LF or other control characters
        C: MAIL FROM:<a@b.test>\r\r\n\+
        S: 500 5.5.2 A command holds no CR, LF or other control characters
    """
    + QUIT,
    "recipients": HELLO
    + MAIL
    + RCPT
    + """
        C: RCPT TO:<nobody@mx.test>
        S: 550 5.1.1 No such mailbox
    """
    + RCPT
    + RCPT
    + """
        C: RCPT TO:<tim@mx.test>
        S: 452 4.5.3 Too many recipients: send the message to the others in another transaction
    """
    + DATA
    + "C: x\nC: .\n"
    + OK
    + r"E: message x\r\n"
    + QUIT,
    "too big while it comes in": HELLO
    + MAIL
    + RCPT
    + DATA
    + "C: "
    + "x" * 600
    + "\nC: "
    + "y" * 600
    + r"""
        C: a bare \n here changes nothing
        C: .
        S: 552 5.3.4 The message is bigger than the size that EHLO announces
        E: abandoned
        E: refused 552 from a@client.test to 1
    """
    + QUIT,
    "SMTPUTF8": HELLO
    + """
        C: MAIL FROM:<jürgen@client.test>
        S: 553 5.6.7 An address outside ASCII needs the SMTPUTF8 parameter on MAIL
        C: MAIL FROM:<jürgen@client.test> SMTPUTF8 BODY=8BITMIME
        S: 250 2.1.0 Sender accepted
        C: RCPT TO:<用户@mx.test>
        S: 250 2.1.5 Recipient accepted
    """
    + DATA
    + "C: Ünï\nC: .\n"
    + OK
    + r"E: message \xc3\x9cn\xc3\xaf\r\n"
    + "\n"
    + MAIL
    + """
        C: RCPT TO:<用户@mx.test>
        S: 553 5.6.7 An address outside ASCII needs the SMTPUTF8 parameter on MAIL
        C: VRFY jürgen SMTPUTF8
        S: 252 2.5.0 Addresses are not verified; send a message to it and see
        C: VRFY jürgen
        S: 553 5.6.7 An address outside ASCII needs the SMTPUTF8 parameter on MAIL
        E: abandoned
    """
    + QUIT,
    "BDAT": HELLO
    + MAIL
    + RCPT
    + r"""
        C: BDAT 5
        C: abc\r\n\+
        S: 250 2.0.0 Octets received, go on
        C: MAIL FROM:<>
        S: 503 5.5.1 This message has been begun with BDAT: go on with BDAT, or send RSET
        C: DATA
        S: 503 5.5.1 This message has been begun with BDAT: go on with BDAT, or send RSET
        C: BDAT 6
        C: .\r\nde\r\+
        S: 250 2.0.0 Octets received, go on
        C: BDAT 0
        S: 250 2.0.0 Octets received, go on
        C: bdat 3 last
        C: \nf\r\+
        S: 550 5.6.11 The message holds a CR or LF that stands alone; lines end with CR LF
        E: abandoned
        E: refused 550 from a@client.test to 1
    """
    + MAIL
    + RCPT
    + r"""
        C: BDAT 8 LAST
        C: .\r\n.\r\n\r\n\+
        S: 250 2.0.0 Message accepted
        E: message .\r\n.\r\n\r\n
    """
    + MAIL
    + RCPT
    + r"""
        C: BDAT 1
        C: a\+
        S: 250 2.0.0 Octets received, go on
        C: BDAT 0 LAST
        S: 250 2.0.0 Message accepted
        E: message a
    """
    + QUIT,
    "BDAT out of place is swallowed": HELLO
    + r"""
        C: BDAT 6
        C: QUIT\r\n\+
        S: 503 5.5.1 Send MAIL first
    """
    + MAIL
    + r"""
        C: BDAT 6 LAST
        C: QUIT\r\n\+
        S: 554 5.5.1 No valid recipients
    """
    + RCPT
    + r"""
        C: BDAT 5
        C: a\nbc\n\+
        S: 550 5.6.11 The message holds a CR or LF that stands alone; lines end with CR LF
        E: abandoned
        E: refused 550 from a@client.test to 1
        C: BDAT 6 LAST
        C: QUIT\r\n\+
        S: 503 5.5.1 Send MAIL first
    """
    + QUIT,
    "BDAT too big": HELLO
    + MAIL
    + RCPT
    + "C: BDAT 1001\nC: "
    + "x" * 1001
    + r"""\+
        S: 552 5.3.4 The message is bigger than the size that EHLO announces
        E: abandoned
        E: refused 552 from a@client.test to 1
        C: BDAT 6 LAST
        C: QUIT\r\n\+
        S: 503 5.5.1 Send MAIL first
    """
    + QUIT,
    "BDAT without a number": HELLO
    + MAIL
    + RCPT
    + """
        C: BDAT many LAST
        S: 501 5.5.4 Syntax: BDAT octets, or BDAT octets LAST; closing, for the octets cannot be told from commands
        E: abandoned
        C: NOOP
    """,
    "BINARYMIME": HELLO
    + r"""
        C: MAIL FROM:<a@client.test> BODY=BINARYMIME
        S: 250 2.1.0 Sender accepted
    """
    + RCPT
    + r"""
        C: DATA
        S: 503 5.5.1 BODY=BINARYMIME can only be sent with BDAT
        C: BDAT 4 LAST
        C: \0\n\r\xff\+
        S: 250 2.0.0 Message accepted
        E: message \x00\n\r\xff
    """
    + QUIT,
    "a web browser": """
        S: 220 mx.test ESMTP Estafeta
        C: GET / HTTP/1.1
        S: 421 4.7.0 This is a mail server and speaks SMTP; closing
        C: Host: mx.test
    """,
    "a TLS client": r"""
        S: 220 mx.test ESMTP Estafeta
        C: \x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03
        S: 421 4.7.0 This is a mail server and speaks SMTP; closing
    """,
    "HELP": HELLO
    + """
        C: HELP me
        S: 214-2.0.0 Commands: HELO EHLO LHLO MAIL RCPT DATA BDAT AUTH STARTTLS VRFY RSET NOOP HELP QUIT
        S: 214 2.0.0 Help for people: ask your postmaster
    """
    + QUIT,
    "QUIT in a transaction": HELLO + MAIL + RCPT + QUIT + "C: NOOP\nE: abandoned\n",
    "transactions are limited": HELLO
    + (MAIL + "C: RSET\nS: 250 2.0.0 Reset\nE: abandoned\n") * 5
    + """
        C: MAIL FROM:<a@client.test>
        S: 421 4.7.0 Enough messages for one connection; connect again for more
    """,
}


@pytest.mark.parametrize("name", SMTP)
def test_smtp(name: str) -> None:
    check(SMTP[name], BASE, refused={"nobody@mx.test": NO})


def test_refusals_leave_the_state_as_it_was() -> None:
    refused = {"mail": Reply(550, "5.7.1", "Not you"), "hello": Reply(550, "5.7.1", "Not you")}
    check(
        """
        S: 220 mx.test ESMTP Estafeta
        C: EHLO client.test
        S: 550 Not you
        C: MAIL FROM:<>
        S: 503 5.5.1 Send HELO or EHLO first (LHLO in LMTP)
        """,
        BASE,
        refused=refused,
    )
    check(
        HELLO + "C: MAIL FROM:<>\nS: 550 5.7.1 Not you\nC: RCPT TO:<a@mx.test>\nS: 503 5.5.1 Send MAIL first\n",
        BASE,
        refused={"mail": refused["mail"]},
    )
    check(
        HELLO + MAIL + RCPT + "C: DATA\nS: 451 4.3.0 Later\n" * 2 + "E: abandoned\n" + QUIT,
        BASE,
        refused={"data": Reply(451, "4.3.0", "Later")},
    )
    check(
        HELLO + MAIL + RCPT + "C: BDAT 6\nC: QUIT\nS: 451 4.3.0 Later\nE: abandoned\n"
        "C: BDAT 6 LAST\nC: QUIT\nS: 503 5.5.1 Send MAIL first\n" + QUIT,
        BASE,
        refused={"data": Reply(451, "4.3.0", "Later")},
    )
    check(
        HELLO + MAIL + RCPT + DATA + "C: x\nC: .\nS: 451 4.3.0 Later\n" + r"E: message x\r\n" + QUIT,
        BASE,
        refused={"message": Reply(451, "4.3.0", "Later")},
    )
    check(HELLO + "C: MAIL FROM:<>\nS: 421 4.3.2 Gone\nC: NOOP\n", BASE, refused={"mail": Reply(421, "4.3.2", "Gone")})


def test_extensions_that_are_off() -> None:
    check(
        """
        S: 220 mx.test ESMTP Estafeta
        C: EHLO client.test
        S: 250-mx.test
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-ENHANCEDSTATUSCODES
        S: 250-HELP
        S: 250 LIMITS MAILMAX=5 RCPTMAX=3
        C: MAIL FROM:<a@b.test> SMTPUTF8
        S: 555 5.5.4 A parameter is not known here
        C: MAIL FROM:<a@b.test> BODY=BINARYMIME
        S: 501 5.5.4 A parameter is malformed or given twice
        """
        + MAIL
        + RCPT
        + """
        C: BDAT 6 LAST
        C: QUIT
        S: 502 5.5.1 This command is not offered here
        E: abandoned
        """
        + QUIT,
        PLAINEST,
    )


def test_expn_where_it_is_on() -> None:
    check(
        HELLO.replace("S: 250-HELP", "S: 250-EXPN\nS: 250-HELP")
        + "C: EXPN list\nS: 250-2.1.5 <jane@example.test>\nS: 250 2.1.5 <tim@example.test>\n",
        replace(BASE, expn=True),
    )


def test_bare_lf_in_commands_where_it_is_accepted() -> None:
    check(
        HELLO
        + r"""
        C: MAIL FROM:<a@client.test>\n\+
        S: 250 2.1.0 Sender accepted
        C: RCPT TO:<jane@mx.test>\n\+
        S: 250 2.1.5 Recipient accepted
        C: DATA\n\+
        S: 354 Send the message, end with a line that holds only a dot
        C: a\n.\nb\r.\n\n.\n
        C: .
        S: 250 2.0.0 Message accepted
        E: message a\r\n.\r\nb\r\n.\r\n\r\n.\r\n\r\n
        """,
        replace(BASE, bare_lf=BareLf.ACCEPT),
    )


def test_limits_of_commands() -> None:
    short = replace(BASE, max_bad_commands=2, max_idle_commands=4)
    unknown = "C: FROB\nS: 500 5.5.2 This command is not known here\n"
    check(HELLO + unknown * 2 + "C: FROB\nS: 421 4.7.0 Too many errors; closing\nC: NOOP\n", short)
    noop = "C: NOOP\nS: 250 2.0.0 OK\n"
    idle = "C: NOOP\nS: 421 4.7.0 Too many commands without a message; closing\n"
    check(HELLO + noop * 3 + idle, short)
    # A message sets the count back; refused recipients count too.
    check(HELLO + noop * 3 + MAIL + RCPT + DATA + "C: .\n" + OK + "E: message \n" + noop * 4 + idle, short)
    refused = "C: RCPT TO:<nobody@mx.test>\nS: 550 5.1.1 No such mailbox\n"
    check(
        HELLO
        + MAIL
        + refused * 3
        + "C: RCPT TO:<nobody@mx.test>\nS: 421 4.7.0 Too many commands without a message; closing\nE: abandoned\n",
        short,
        refused={"nobody@mx.test": NO},
    )


def test_limits_of_lines() -> None:
    short = replace(BASE, max_line=60)
    too_long = "S: 500 5.5.2 This line is too long\n"
    check(
        HELLO
        + "C: NOOP "
        + "x" * 53
        + "\nS: 250 2.0.0 OK\nC: NOOP "
        + "x" * 54
        + "\n"
        + too_long
        + "C: "
        + "x" * 900
        + "\n"
        + too_long
        + QUIT,
        short,
    )


def test_recipients_beyond_the_limit_cost_no_session() -> None:
    more = f"C: RCPT TO:<jane@mx.test>\nS: 452 4.5.3 {replies.TOO_MANY_RECIPIENTS.text}\n"
    small = replace(BASE, max_idle_commands=4)
    check(HELLO + MAIL + RCPT * 3 + more * 9 + DATA + "C: .\n" + OK + "E: message \n" + QUIT, small)
