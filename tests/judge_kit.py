"""A judge of messages for tests that are about something else."""

from estafeta.policy.content import Content
from estafeta.policy.judgement import Judgement


async def takes(content: Content) -> Judgement:
    """Takes everything and says nothing."""
    return Judgement()
