"""How many connections a service takes, out of the settings."""

from estafeta.directory.settings_model import Settings
from estafeta.net.connections import ConnectionLimits


def connection_limits(settings: Settings, session_seconds: float) -> ConnectionLimits:
    """The limits of one service in one worker."""
    limits = settings.limits
    return ConnectionLimits(
        most=limits.max_connections,
        most_per_address=limits.max_connections_per_address,
        most_per_minute=limits.max_connections_per_minute,
        session_seconds=session_seconds,
    )
