"""A milter's own reply: `550 5.7.1 No`, on one line or several (libmilter, smfi_setreply and smfi_setmlreply)."""

import re

from estafeta.protocols.scanners.words import AnswerError, cleaned

_LINE = re.compile(rb"([45]\d\d)(?:[- ](?:([45])\.(\d{1,3})\.(\d{1,3})(?: |$))?(.*))?", re.DOTALL)
#: What fits into a line of a reply beside its codes (RFC 5321 4.5.3.1.5).
_LONGEST_TEXT = 480


def parse_reply(data: bytes) -> tuple[int, str, str]:
    """Code, enhanced code and text on one line; "" where it says neither. Raises AnswerError."""
    lines = [line.strip() for line in data.partition(b"\0")[0].replace(b"\r", b"\n").split(b"\n") if line.strip()]
    code, enhanced, texts = 0, "", []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or (code and int(match[1]) != code):
            raise AnswerError(f"it replies {cleaned(data, 60)!r}")
        code = int(match[1])
        # RFC 2034 4: the class of the enhanced code is that of the code.
        if match[2] and match[2] == match[1][:1]:
            enhanced = enhanced or f"{int(match[2])}.{int(match[3])}.{int(match[4])}"
        texts.append(cleaned(match[5] or b"", _LONGEST_TEXT))
    if not code:
        raise AnswerError("it replies nothing")
    # 421 would end the session (RFC 5321 3.8), of which a milter that is asked at its end knows nothing.
    return (451 if code == 421 else code), enhanced, cleaned(" ".join(texts), _LONGEST_TEXT)
