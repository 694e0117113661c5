"""Search: substrings in decoded text, quick by an index and right without it (docs/internals/search.md).

Servers use `service.TextSearch` and `terms`. Nothing is imported here: the process that reads attachments is a module
of this package too (`extractor`), and has to stay small.
"""
