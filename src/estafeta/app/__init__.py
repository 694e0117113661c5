"""Builds and wires the server: node file, set-up, supervisor, workers, status.

Only this package builds concrete classes; everything below is handed what it needs.
"""
