"""May this client give this recipient? (A6, A7, D6; RFC 5321 3.6, enhanced codes of RFC 3463.)"""

from estafeta.directory.model import RemoteTarget, Resolution, Status
from estafeta.mail.address import Address
from estafeta.policy.facts import Facts
from estafeta.policy.restrictions import NO_RELAY, Restrictions, is_routed
from estafeta.policy.verdict import Verdict, deferred, passed, rejected

_OK = passed(text="Recipient ok", enhanced="2.1.5")
_UNKNOWN = rejected("There is no such address here", "unknown", 550, "5.1.1")
_BY_STATUS = {
    Status.UNKNOWN: _UNKNOWN,
    Status.REMOVED: rejected("There is no such address here any more", "removed", 550, "5.1.1"),
    Status.DISABLED: deferred("This address takes no mail at the moment; try again later", "disabled", 450, "4.2.1"),
    Status.DENIED: rejected("This address takes no mail", "denied"),
}


def check_recipient(
    facts: Facts, address: Address, resolution: Resolution, rules: Restrictions, *, backup: bool = False
) -> Verdict:
    """What the directory knows of the address and who the client is make the verdict. `backup`: it is a domain of
    others whose mail is taken from everybody (row Q1)."""
    # Before anything is said of the address: who has to sign in learns nothing without.
    here = rules.check_local(facts)
    if not here.accepted:
        return here
    if resolution.status is Status.NOT_OURS:
        relay = rules.check_relay(facts, address)
        return _OK if relay.accepted or (backup and not is_routed(address)) else relay
    if is_routed(address) and _goes_on_as_it_is(address, resolution) and not rules.may_relay(facts):
        return NO_RELAY
    return check_address(resolution)


def check_address(resolution: Resolution) -> Verdict:
    """What anybody may be told of an address (VRFY, EXPN)."""
    refused = _BY_STATUS.get(resolution.status)
    if refused is not None:
        return refused
    if resolution.status is Status.STALE:
        return rejected(f"This return path leads nowhere: {resolution.reason}", "unknown", 550, "5.1.1")
    if resolution.status is Status.NOT_OURS:
        return NO_RELAY
    return _OK if resolution.targets else _UNKNOWN


def _goes_on_as_it_is(address: Address, resolution: Resolution) -> bool:
    """An address of ours that nobody has here and that a hub or a rule takes."""
    return resolution.status is Status.REMOTE and resolution.targets == (RemoteTarget(address),)
