"""The fields that policy writes in front of a message that came in."""

from estafeta.directory.settings_model import Settings
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement


def write_front(judgement: Judgement, facts: Facts, settings: Settings) -> Judgement:
    """With Authentication-Results and the result field, and without fields of others that claim to be ours."""
    return judgement
