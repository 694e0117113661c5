"""IMAP on this server: what each command means here. One command, one file; `commands` has the table.

`session` runs the commands and tells the client what changed, `selected` is the selected mailbox, `folders` knows
names, namespaces and rights.
"""
