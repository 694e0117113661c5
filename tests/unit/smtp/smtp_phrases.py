"""What the transcripts are put together from: settings and the exchanges that nearly every session has."""

from dataclasses import replace

from estafeta.protocols.smtp import Reply, SmtpSettings

BASE = SmtpSettings("mx.test", max_bad_commands=50, max_recipients=3, max_transactions=5, max_message_bytes=1000)
PLAINEST = replace(BASE, chunking=False, smtputf8=False)

HELLO = """
S: 220 mx.test ESMTP Estafeta
C: EHLO client.test
S: 250-mx.test
S: 250-PIPELINING
S: 250-SIZE 1000
S: 250-8BITMIME
S: 250-ENHANCEDSTATUSCODES
S: 250-SMTPUTF8
S: 250-CHUNKING
S: 250-BINARYMIME
S: 250-HELP
S: 250 LIMITS MAILMAX=5 RCPTMAX=3
"""
MAIL = """
C: MAIL FROM:<a@client.test>
S: 250 2.1.0 Sender accepted
"""
RCPT = """
C: RCPT TO:<jane@mx.test>
S: 250 2.1.5 Recipient accepted
"""
DATA = """
C: DATA
S: 354 Send the message, end with a line that holds only a dot
"""
OK = "S: 250 2.0.0 Message accepted\n"
QUIT = """
C: QUIT
S: 221 2.0.0 mx.test closing
"""

NO = Reply(550, "5.1.1", "No such mailbox")
