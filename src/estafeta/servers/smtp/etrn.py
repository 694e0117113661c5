"""ETRN (RFC 1985): start what waits for a domain, if its servers may fetch it here."""

import logging
from typing import TYPE_CHECKING

from estafeta.core.errors import EstafetaError
from estafeta.protocols.smtp.replies import Reply
from estafeta.servers.smtp.errors import error_reply

if TYPE_CHECKING:
    from estafeta.servers.smtp.service import SmtpService

log = logging.getLogger("estafeta.smtp")

_STARTED = Reply(250, "2.0.0", "OK, what waits for {} is on its way")
_NOTHING = Reply(251, "2.0.0", "OK, nothing waits for {}")
_REFUSED = Reply(459, "4.7.1", "Mail for {} is not fetched from here: ask the postmaster to register it")


async def start_queue(service: "SmtpService", peer: str, argument: str) -> Reply:
    """What is answered to `peer`, which said ETRN with `argument`: a domain, or `@` and one."""
    name = argument.lower()
    if not service.serves(name):
        return _filled(_REFUSED, argument)
    try:
        waiting = await service.shared.start_queue(name)
    except EstafetaError as error:
        log.warning("not done peer=%s reason=%r cause=%r", peer, error.public, error.private)
        return error_reply(error)
    log.info("etrn peer=%s domain=%r waiting=%d", peer, name, waiting)
    return _filled(_STARTED if waiting else _NOTHING, argument)


def _filled(reply: Reply, name: str) -> Reply:
    return reply._replace(text=reply.text.format(name))
