"""What scanners are asked and what they answer, octets and values only: clamd, spamd, rspamd."""
