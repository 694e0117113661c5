"""Settings of policy: how long checks may take, and what their points come to."""

from pydantic import Field

from estafeta.directory.settings_base import Section


class Policy(Section):
    """Checks of what comes in from strangers."""

    lookup_seconds: float = Field(
        default=5.0,
        ge=0.1,
        le=60.0,
        description="Time for all lookups of one stage together (scanners have their own); what has not answered by "
        "then counts as each check says.",
    )
    junk_score: float = Field(
        default=5.0, ge=1.0, le=1000.0, description="Points from which a message is filed in Junk."
    )
    reject_score: float = Field(
        default=15.0,
        ge=0.0,
        le=1000.0,
        description="Points from which a message is refused while its sender is still there to hear it. 0: never.",
    )
    result_field: bool = Field(
        default=True,
        description="Write a field X-Estafeta-Result with each reason and its points into mail of strangers.",
    )
