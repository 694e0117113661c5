"""IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) with their extensions, server side, without I/O.

`server` is the machine; `commands` and what it is made of say what comes out of it; `table` has all commands.
"""
