"""Where a node keeps what: paths below its home directory. Knows names, touches nothing."""

from dataclasses import dataclass
from pathlib import Path

#: What `estafeta` uses when neither `--home` nor `$ESTAFETA_HOME` says otherwise.
DEFAULT_HOME = "/var/lib/estafeta"


@dataclass(frozen=True, slots=True)
class Home:
    """The home directory of one node; `root` is absolute."""

    root: Path

    @classmethod
    def at(cls, path: str | Path) -> "Home":
        """The home at `path`, made absolute without following links."""
        return cls(Path(path).expanduser().absolute())

    @property
    def config_file(self) -> Path:
        """The node file."""
        return self.root / "estafeta.toml"

    @property
    def certificates(self) -> Path:
        """`NAME.crt` and `NAME.key` for each certificate."""
        return self.root / "certificates"

    @property
    def run(self) -> Path:
        """Sockets and the pid file: worth nothing once the server has stopped."""
        return self.root / "run"

    @property
    def pid_file(self) -> Path:
        """Locked by the supervisor while it lives; holds its pid."""
        return self.run / "estafeta.pid"

    @property
    def control(self) -> Path:
        """Unix socket where `status`, `reload` and `stop` ask the supervisor."""
        return self.run / "control"

    @property
    def log_file(self) -> Path:
        """Where the log goes when its target is `file` and no other path is set."""
        return self.root / "log" / "estafeta.log"

    def resolve(self, path: str) -> Path:
        """A path of the node file: relative ones start at the home."""
        return self.root / path
