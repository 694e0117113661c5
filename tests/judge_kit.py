"""Judges of messages for tests that are about something else, and what a session asks of one recipient."""

from estafeta.policy.content import Content
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Verdict
from estafeta.servers.smtp.screening import Screening


async def takes(content: Content) -> Judgement:
    """Takes everything and says nothing."""
    return Judgement()


async def refusal_of_recipient(screening: Screening) -> Verdict | None:
    """The checks of stage RCPT, asked and waited for."""
    said = screening.recipient()
    return screening.refused(said if isinstance(said, list) else await said)
