"""May this client use this reverse-path? (A6 `sender_address_relay`; RFC 6409 6.1.)"""

from estafeta.directory.model import Account, Resolution, Status
from estafeta.directory.settings_model import SenderRule
from estafeta.policy.verdict import Verdict

_OK = Verdict(250, "2.1.0", "Sender ok")
_NOT_YOURS = Verdict(553, "5.7.1", "You may not send from this address: use one of your own", "not own address")
_NOT_OURS = Verdict(553, "5.7.1", "You may not send from this address: use one of this server's domains", "foreign")


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
