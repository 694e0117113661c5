"""LMTP, STARTTLS and AUTH as transcripts; each is played whole, byte by byte and split at random."""

from dataclasses import replace

import pytest
from smtp_phrases import BASE, DATA, HELLO, MAIL, NO, OK, QUIT, RCPT
from smtp_transcript import check

from estafeta.protocols.smtp import Mode, Reply, SmtpSettings, replies

LMTP = SmtpSettings(
    "mx.test", mode=Mode.LMTP, max_message_bytes=1000, chunking=True, smtputf8=False, max_transactions=0
)
LHLO = """
S: 220 mx.test LMTP Estafeta
C: LHLO client.test
S: 250-mx.test
S: 250-PIPELINING
S: 250-SIZE 1000
S: 250-8BITMIME
S: 250-ENHANCEDSTATUSCODES
S: 250-CHUNKING
S: 250-BINARYMIME
S: 250 LIMITS RCPTMAX=1000
"""


def test_lmtp_one_reply_for_each_recipient() -> None:
    each = (Reply(250, "2.0.0", "Delivered"), Reply(452, "4.2.2", "Mailbox full"))
    session = LHLO + MAIL + RCPT + "C: RCPT TO:<nobody@mx.test>\nS: 550 5.1.1 No such mailbox\n" + RCPT
    answers = "S: 250 2.0.0 Delivered\nS: 452 4.2.2 Mailbox full\n"
    check(
        session + DATA + "C: x\nC: .\n" + answers + r"E: message x\r\n" + QUIT,
        LMTP,
        refused={"nobody@mx.test": NO},
        each=each,
    )
    check(
        session + r"C: BDAT 1 LAST" + "\n" + r"C: x\+" + "\n" + answers + "E: message x" + QUIT,
        LMTP,
        refused={"nobody@mx.test": NO},
        each=each,
    )


def test_lmtp_refusals() -> None:
    check(
        """
        S: 220 mx.test LMTP Estafeta
        C: EHLO client.test
        S: 500 5.5.2 This command is not known here
        C: HELO client.test
        S: 500 5.5.2 This command is not known here
        """,
        LMTP,
    )
    # RFC 2033 4.2: DATA without a recipient is 503 there
    check(LHLO + MAIL + "C: DATA\nS: 503 5.5.1 No valid recipients\nE: abandoned\n" + QUIT, LMTP)
    bare = "S: 550 5.6.11 The message holds a CR or LF that stands alone; lines end with CR LF\n"
    came = "E: abandoned\nE: refused 550 from a@client.test to 2\n"
    check(LHLO + MAIL + RCPT + RCPT + DATA + r"C: a\nb" + "\nC: .\n" + bare * 2 + came + QUIT, LMTP)
    check(LHLO + MAIL + RCPT + DATA + "C: x\nC: .\n" + OK + r"E: message x\r\n" + QUIT, LMTP)


TLS = replace(BASE, mode=Mode.SUBMISSION, tls_available=True, require_tls=True, require_auth=True)
TLS_HELLO = HELLO.replace("S: 250-HELP", "S: 250-STARTTLS\nS: 250-HELP")
IN_TLS = HELLO.split("Estafeta\n")[1]
STARTTLS = "C: STARTTLS\nS: 220 2.0.0 Ready to start TLS\n"


def test_starttls_comes_first_where_it_is_required() -> None:
    check(
        TLS_HELLO
        + """
        C: MAIL FROM:<a@client.test>
        S: 530 5.7.0 Must issue a STARTTLS command first
        C: AUTH PLAIN
        S: 530 5.7.0 Must issue a STARTTLS command first
        C: VRFY jane
        S: 530 5.7.0 Must issue a STARTTLS command first
        C: STARTTLS now
        S: 501 5.5.4 This command takes no argument
        C: NOOP
        S: 250 2.0.0 OK
        """
        + STARTTLS
        + """
        T: PLAIN
        C: MAIL FROM:<a@client.test>
        S: 530 5.7.0 Authentication required
        """
        + IN_TLS.replace("S: 250-HELP", "S: 250-AUTH PLAIN\nS: 250-HELP")
        + """
        C: STARTTLS
        S: 503 5.5.1 TLS is on already
        C: MAIL FROM:<a@client.test>
        S: 530 5.7.0 Authentication required
        C: AUTH PLAIN AGphbmUAc2VjcmV0
        S: 235 2.7.0 Authenticated
        E: auth jane
        """
        + MAIL
        + RCPT
        + DATA
        + "C: x\nC: .\n"
        + OK
        + r"E: message x\r\n"
        + QUIT,
        TLS,
    )


def test_what_came_behind_starttls_in_clear_is_thrown_away() -> None:
    """CVE-2011-0411 and its kin."""
    settings = replace(TLS, require_tls=False, require_auth=False)
    check(
        TLS_HELLO
        + MAIL
        + STARTTLS
        + """
        E: abandoned
        C: EHLO evil.test
        C: MAIL FROM:<evil@evil.test>
        C: RCPT TO:<jane@mx.test>
        C: MAIL FR\\+
        T:
        C: NOOP
        S: 250 2.0.0 OK
        C: MAIL FROM:<a@client.test>
        S: 503 5.5.1 Send HELO or EHLO first (LHLO in LMTP)
        """
        + QUIT,
        settings,
    )


def test_starttls_refused_by_the_server_goes_on_in_clear() -> None:
    check(
        TLS_HELLO + "C: STARTTLS\nS: 454 4.7.0 No certificate\nC: NOOP\nS: 250 2.0.0 OK\n" + QUIT,
        TLS,
        refused={"starttls": Reply(454, "4.7.0", "No certificate")},
    )


AUTH = replace(BASE, auth_mechanisms=("SCRAM-SHA-256", "PLAIN", "LOGIN"), max_auth_failures=3)
AUTH_HELLO = HELLO.replace("S: 250-HELP", "S: 250-AUTH SCRAM-SHA-256 PLAIN LOGIN\nS: 250-HELP")

LOGINS = {
    "PLAIN with an initial response": "C: AUTH PLAIN AGphbmUAc2VjcmV0",
    "PLAIN in lower case, as another": "C: auth plain dGltAGphbmUAc2VjcmV0",
    "PLAIN without one": "C: AUTH PLAIN\nS: 334 \nC: AGphbmUAc2VjcmV0",
    "LOGIN": "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: amFuZQ==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0",
    "LOGIN with an initial response": "C: AUTH LOGIN amFuZQ==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0",
}


@pytest.mark.parametrize("name", LOGINS)
def test_authentication(name: str) -> None:
    identity = "tim" if "another" in name else "jane"
    check(
        AUTH_HELLO
        + LOGINS[name].replace("334 \n", "334 \\+\n")
        + f"""
        S: 235 2.7.0 Authenticated
        E: auth {identity}
        C: AUTH PLAIN
        S: 503 5.5.1 You are authenticated already
        C: MAIL FROM:<a@client.test> AUTH=e+3Dmc2@example.com
        S: 250 2.1.0 Sender accepted
        E: abandoned
        """
        + QUIT,
        AUTH,
    )


FAILURES = {
    "C: AUTH": "S: 501 5.5.4 Syntax: AUTH mechanism, or AUTH mechanism initial-response in base64",
    "C: AUTH CRAM-MD5": "S: 504 5.5.4 This authentication mechanism is not offered",
    "C: AUTH PLAIN AGphbmUAd3Jvbmc=": "S: 535 5.7.8 Name or password is wrong",
    "C: AUTH PLAIN AGxhdGVyAHg=": f"S: 454 4.7.0 {replies.AUTH_TEMPORARY.text}",
    "C: AUTH PLAIN =": "S: 501 5.5.2 This is no valid response of the mechanism, or no valid base64",
    "C: AUTH PLAIN ????": "S: 501 5.5.2 This is no valid response of the mechanism, or no valid base64",
    "C: AUTH PLAIN\nS: 334 \\+\nC: *": "S: 501 5.7.0 Authentication cancelled",
    "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: amFuZQ==\\n\\+": "S: 500 5.5.2 A line must end with CR LF",
    "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: "
    + "a" * 12300: "S: 500 5.5.6 This line of the authentication exchange is too long",
    "C: AUTH PLAIN " + "a" * 12300: "S: 500 5.5.2 This line is too long",
    "C: AUTH PLAIN " + "?" * 12000: "S: 501 5.5.2 This is no valid response of the mechanism, or no valid base64",
    "C: AUTH SCRAM-SHA-256 eA==": "S: 501 5.5.2 This is no valid response of the mechanism, or no valid base64",
}


@pytest.mark.parametrize("command", FAILURES)
def test_failed_authentication(command: str) -> None:
    check(AUTH_HELLO + command + "\n" + FAILURES[command] + "\nC: NOOP\nS: 250 2.0.0 OK\n" + QUIT, AUTH)


def test_auth_where_it_may_not_be() -> None:
    check(
        AUTH_HELLO
        + MAIL
        + "C: AUTH PLAIN\nS: 503 5.5.1 AUTH is not possible during a transaction\nE: abandoned\n"
        + QUIT,
        AUTH,
    )
    clear = replace(BASE, tls_available=True)
    check(
        TLS_HELLO + "C: AUTH PLAIN\nS: 538 5.7.11 Authentication is possible only inside TLS: STARTTLS first\n", clear
    )
    check(
        AUTH_HELLO + "C: AUTH PLAIN\nS: 454 4.7.0 No directory\n" + QUIT,
        AUTH,
        refused={"authenticate": Reply(454, "4.7.0", "No directory")},
    )
    check(
        AUTH_HELLO + "C: AUTH PLAIN AGphbmUAc2VjcmV0\nS: 535 5.7.8 Not you\n" + MAIL + "E: abandoned\n" + QUIT,
        AUTH,
        refused={"authenticated": Reply(535, "5.7.8", "Not you")},
    )


def test_guessing_passwords_ends_the_session() -> None:
    wrong = "C: AUTH PLAIN AGphbmUAd3Jvbmc=\n"
    check(
        AUTH_HELLO
        + (wrong + "S: 535 5.7.8 Name or password is wrong\n") * 2
        + wrong
        + "S: 421 4.7.0 Too many errors; closing\nC: NOOP\n",
        AUTH,
    )
