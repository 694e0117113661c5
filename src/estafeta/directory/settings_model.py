"""All settings of a site, in sections that have files of their own: name, default, bounds, and the reason for them.

Units are in the names. 0 means "no limit" only where the description says so. `Settings` is frozen: a change makes a
new one (estafeta.directory.settings). The reference page is generated from here.
"""

from pydantic import BaseModel, ConfigDict

from estafeta.directory.settings_bayes import Bayes
from estafeta.directory.settings_dkim import Dkim, Srs
from estafeta.directory.settings_dmarc import Dmarc
from estafeta.directory.settings_filters import Filters, Quarantine
from estafeta.directory.settings_hook import Hook
from estafeta.directory.settings_milters import Milters
from estafeta.directory.settings_outward import (
    Batch,
    Delivery,
    Dns,
    Journal,
    Lists,
    Notices,
    Queue,
    Rewrite,
    Routing,
    Split,
)
from estafeta.directory.settings_policy import Policy
from estafeta.directory.settings_reading import Imap, Pop3
from estafeta.directory.settings_restrictions import Rates, Restrict
from estafeta.directory.settings_scanners import Clamav, Rspamd, Spamassassin
from estafeta.directory.settings_site import Auth, Limits, Local, Search, Store, Tls
from estafeta.directory.settings_smtp import Lmtp, Relay, Smtp, Submission
from estafeta.directory.settings_spam import Spam


class Settings(BaseModel):
    """All settings at one moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smtp: Smtp = Smtp()
    submission: Submission = Submission()
    lmtp: Lmtp = Lmtp()
    pop3: Pop3 = Pop3()
    imap: Imap = Imap()
    restrict: Restrict = Restrict()
    relay: Relay = Relay()
    limits: Limits = Limits()
    auth: Auth = Auth()
    rates: Rates = Rates()
    local: Local = Local()
    store: Store = Store()
    search: Search = Search()
    tls: Tls = Tls()
    routing: Routing = Routing()
    rewrite: Rewrite = Rewrite()
    queue: Queue = Queue()
    delivery: Delivery = Delivery()
    dns: Dns = Dns()
    notices: Notices = Notices()
    batch: Batch = Batch()
    lists: Lists = Lists()
    journal: Journal = Journal()
    split: Split = Split()
    dmarc: Dmarc = Dmarc()
    dkim: Dkim = Dkim()
    srs: Srs = Srs()
    policy: Policy = Policy()
    spam: Spam = Spam()
    bayes: Bayes = Bayes()
    clamav: Clamav = Clamav()
    milters: Milters = Milters()
    hook: Hook = Hook()
    rspamd: Rspamd = Rspamd()
    spamassassin: Spamassassin = Spamassassin()
    filters: Filters = Filters()
    quarantine: Quarantine = Quarantine()
