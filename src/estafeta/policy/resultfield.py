"""X-Estafeta-Result: why a message is where it is, each reason with its points, for who reads it.

    X-Estafeta-Result: junk; points=6.3; junk-from=5.0;
     +2.5 spf "SPF fail of example.org";
     +0.5 dkim "DKIM fail of example.org: the body was changed"

Fields of that name that a stranger wrote are taken out. What one recipient's own lists and words count is told only
where there is one recipient: all recipients get the same octets, and none is to learn of another's.
"""

import re
from collections.abc import Iterable

from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Verdict

FIELD = b"X-Estafeta-Result"
_FIELD = FIELD.decode()
# Reasons that are told; what says nothing for or against is left to the journal.
_MOST_TOLD = 40
# Of one reason and of its name, which keeps every line under 998 octets (RFC 5322 2.1.1).
_MAX_WORDS, _MAX_NAME = 200, 40
_NAME = FIELD.lower()
_START = re.compile(rb"^x-estafeta-result[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FIELD_END = re.compile(rb"\n(?![ \t])")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def encode_result(judgement: Judgement, accounts: Iterable[int], *, utf8: bool = False) -> bytes:
    """The field, folded, with its CRLF. `accounts` of all recipients here; `utf8`: as in RFC 6532."""
    account = _only(accounts)
    told = [one for one in judgement.verdicts if one.reason and (one.score or one.tag) and one.account in (0, account)]
    points = judgement.score_for(account) if account else judgement.score
    outcome = "junk" if points >= judgement.junk_score else "fine"
    lines = [f"{_FIELD}: {outcome}; points={points:.1f}; junk-from={judgement.junk_score:.1f}"]
    lines += [f"\t{_reason(verdict, utf8)}" for verdict in told[:_MOST_TOLD]]
    return ";\r\n".join(lines).encode("utf-8", "replace") + b"\r\n"


def remove_results(header: bytes) -> bytes:
    """The header section without such fields; the same object where there are none."""
    if _NAME not in header.lower():
        return header
    kept, copied = [], 0
    for start in _START.finditer(header):
        last = _FIELD_END.search(header, start.end())
        kept.append(header[copied : start.start()])
        copied = last.end() if last else len(header)
    return b"".join((*kept, header[copied:])) if kept else header


def _only(accounts: Iterable[int]) -> int:
    """The one account, 0 where there are several or none."""
    several = set(accounts)
    return several.pop() if len(several) == 1 else 0


def _reason(verdict: Verdict, utf8: bool) -> str:
    words = _clean(verdict.reason, _MAX_WORDS, utf8).replace("\\", "/").replace('"', "'")
    return f'{verdict.score:+.1f} {_clean(verdict.tag or verdict.check, _MAX_NAME, utf8)} "{words}"'


def _clean(text: str, longest: int, utf8: bool) -> str:
    if len(text) <= longest and text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub(" ", text)[:longest].encode("utf-8" if utf8 else "ascii", "replace").decode()
