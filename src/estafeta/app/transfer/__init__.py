"""Bringing mail in from mbox files and Maildirs, and taking it out again."""
