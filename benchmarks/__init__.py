"""Measurements of Estafeta beside named references on the same machine, in the same run (see README.md)."""
