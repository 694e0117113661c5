"""The milter protocol, version 6, as the mail server speaks it: no I/O, no clock."""
