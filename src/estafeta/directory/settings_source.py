"""Where the rest of the directory reads settings, without importing what defines them.

`SiteSettings` is one such source. Programs that only look around (help, completion) never pay for its imports.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from estafeta.directory.settings_model import Settings


class SettingsSource(Protocol):
    """Holds the settings of now; they are another object after a change."""

    @property
    def current(self) -> "Settings":
        """The settings of now."""
