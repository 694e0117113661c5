"""What every section of the settings is made of."""

from pydantic import BaseModel, ConfigDict

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Section(BaseModel):
    """A section: frozen, and without keys that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
