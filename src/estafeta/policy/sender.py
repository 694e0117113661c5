"""May this client use this reverse-path? (A6 `sender_address_relay`; RFC 6409 6.1.)"""

from estafeta.directory.model import Account, Resolution, Status
from estafeta.directory.settings_model import SenderRule
from estafeta.policy.verdict import Verdict, passed, rejected

_OK = passed(text="Sender ok", enhanced="2.1.0")
_NOT_YOURS = rejected("You may not send from this address: use one of your own", "not own address", 553)
_NOT_OURS = rejected("You may not send from this address: use one of this server's domains", "foreign", 553)


def check_sender(resolution: Resolution, account: Account | None, rule: SenderRule) -> Verdict:
    """`resolution` is what the directory knows of the reverse-path. The null path is everybody's and is not asked."""
    if rule is SenderRule.ANY:
        return _OK
    if resolution.status is Status.NOT_OURS:
        return _NOT_OURS
    if resolution.status in (Status.UNKNOWN, Status.REMOVED):
        return _NOT_YOURS
    if rule is SenderRule.OWN and account is not None and resolution.account_id != account.account_id:
        return _NOT_YOURS
    return _OK
