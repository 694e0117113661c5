"""Whom to believe: policies and records that others publish, evaluated without I/O."""
