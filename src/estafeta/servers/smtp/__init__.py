"""SMTP, submission and LMTP servers on the machine of estafeta.protocols.smtp."""
