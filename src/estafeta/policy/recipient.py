"""May this client give this recipient? (A6, A7, D6; RFC 5321 3.6, enhanced codes of RFC 3463.)"""

from estafeta.directory.model import Resolution, Status
from estafeta.policy.verdict import Verdict, deferred, passed, rejected

_OK = passed(text="Recipient ok", enhanced="2.1.5")
_NO_RELAY = rejected("Relaying denied: sign in first, or send to an address of this server", "relay")
_UNKNOWN = rejected("There is no such address here", "unknown", 550, "5.1.1")
_BY_STATUS = {
    Status.UNKNOWN: _UNKNOWN,
    Status.REMOVED: rejected("There is no such address here any more", "removed", 550, "5.1.1"),
    Status.DISABLED: deferred("This address takes no mail at the moment; try again later", "disabled", 450, "4.2.1"),
    Status.DENIED: rejected("This address takes no mail", "denied"),
}


def check_recipient(resolution: Resolution, *, may_relay: bool) -> Verdict:
    """What the directory knows of the address, and whether the client may relay, make the verdict."""
    refused = _BY_STATUS.get(resolution.status)
    if refused is not None:
        return refused
    if resolution.status is Status.NOT_OURS:
        return _OK if may_relay else _NO_RELAY
    return _OK if resolution.targets else _UNKNOWN
