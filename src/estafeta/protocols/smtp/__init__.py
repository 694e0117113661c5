"""SMTP, submission and LMTP without I/O: the server machine, its events, its settings and its replies. The client
machine is in `client`."""

from estafeta.protocols.smtp.events import (
    Abandoned,
    Authenticate,
    Authenticated,
    AuthFailed,
    AuthNeed,
    Body,
    Chunk,
    Data,
    Etrn,
    Event,
    Expand,
    Hello,
    HelloKind,
    Mail,
    MessageEnd,
    Rcpt,
    Refused,
    StartTls,
    Verify,
)
from estafeta.protocols.smtp.limits import BareLf, Mode, SmtpSettings
from estafeta.protocols.smtp.replies import Reply, encode_reply
from estafeta.protocols.smtp.server import SmtpServer

__all__ = [
    "Abandoned",
    "AuthFailed",
    "AuthNeed",
    "Authenticate",
    "Authenticated",
    "BareLf",
    "Body",
    "Chunk",
    "Data",
    "Etrn",
    "Event",
    "Expand",
    "Hello",
    "HelloKind",
    "Mail",
    "MessageEnd",
    "Mode",
    "Rcpt",
    "Refused",
    "Reply",
    "SmtpServer",
    "SmtpSettings",
    "StartTls",
    "Verify",
    "encode_reply",
]
