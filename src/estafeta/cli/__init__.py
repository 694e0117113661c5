"""The command line: one file for each group of commands.

Modules import only the standard library, typer and estafeta.core at their top, so that `--help` is quick; what costs
time is imported inside the commands.
"""
