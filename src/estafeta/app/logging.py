"""The log: one line per event, `TIME LEVEL worker=N message key=value ...`, to stderr or a file.

Anyone logs with the standard library: `logging.getLogger("estafeta.smtp").info("accepted", extra={"size": 42})`; each
`extra` becomes a `key=value`. Nothing a peer sent can start a new line. Secrets are never handed to the log.
"""

import json
import logging
import logging.handlers
import re
import sys
import time
import traceback

from estafeta.app.config import LogTarget, Node

ROOT = "estafeta"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LineFormatter(logging.Formatter):
    """Formats a record as one line; `label` says which process speaks, e.g. `worker=2`."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        parts = [_utc(record.created), record.levelname.lower(), self._label, _one_line(record.getMessage())]
        parts += [f"{key}={_value(value)}" for key, value in vars(record).items() if key not in _STANDARD]
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            parts.append(f"error={_value(f'{type(error).__name__}: {error}')}")
            parts.append(f"trace={_value(''.join(traceback.format_exception(error)))}")
        return " ".join(parts)


def configure(node: Node, label: str) -> None:
    """Send everything below the logger `estafeta` where the node file says; a second call replaces the first.

    Raises OSError when the log file cannot be opened.
    """
    handler: logging.Handler
    if node.config.log.target is LogTarget.FILE:
        node.log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.WatchedFileHandler(node.log_file, encoding="utf-8", errors="backslashreplace")
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(label))
    root = logging.getLogger(ROOT)
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(node.config.log.level.upper())
    root.propagate = False
    logging.raiseExceptions = False  # a log that cannot be written must not break a session


def _utc(seconds: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds * 1000) % 1000:03d}Z"


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _value(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else _one_line(json.dumps(text, ensure_ascii=False))
