"""The list of extensions in the reply to EHLO and LHLO, as it applies to the session at that moment."""

from estafeta.protocols.smtp.limits import Mode, SmtpSettings


def extension_lines(settings: SmtpSettings, *, tls: bool) -> list[str]:
    """EHLO keywords with their parameters, in the order in which they are sent (RFC 5321 4.1.1.1)."""
    lines = [
        "PIPELINING",  # RFC 2920
        f"SIZE {settings.max_message_bytes}",  # RFC 1870; 0 says that there is no fixed limit
        "8BITMIME",  # RFC 6152
        "ENHANCEDSTATUSCODES",  # RFC 2034
    ]
    if settings.dsn:
        lines.append("DSN")  # RFC 3461
    if settings.smtputf8:
        lines.append("SMTPUTF8")  # RFC 6531
    if settings.chunking:
        lines += ["CHUNKING", "BINARYMIME"]  # RFC 3030
    if settings.tls_available and not tls:
        lines.append("STARTTLS")  # RFC 3207 4.2: not once TLS is on
    if settings.auth_mechanisms and (tls or not settings.require_tls):
        lines.append("AUTH " + " ".join(settings.auth_mechanisms))  # RFC 4954
    if settings.requiretls and tls:
        lines.append("REQUIRETLS")  # RFC 8689 2: only inside TLS
    if settings.future_release:
        lines.append(f"FUTURERELEASE {settings.future_release}")  # RFC 4865 4
    if settings.etrn:
        lines.append("ETRN")  # RFC 1985
    if settings.expn:
        lines.append("EXPN")
    if settings.mode is not Mode.LMTP:
        lines.append("HELP")
    lines.append(_limits(settings))
    return lines


def _limits(settings: SmtpSettings) -> str:
    # RFC 9422 4: RCPTMAX is what one transaction takes, MAILMAX the transactions of one session.
    mails = f" MAILMAX={settings.max_transactions}" if settings.max_transactions else ""
    return f"LIMITS{mails} RCPTMAX={settings.max_recipients}"
