"""Programs that look at mail and say what they think of it: ClamAV, rspamd, SpamAssassin, milters, a web hook."""
