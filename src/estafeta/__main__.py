"""`python -m estafeta` is `estafeta`."""

from estafeta.cli.main import run

if __name__ == "__main__":
    run()
