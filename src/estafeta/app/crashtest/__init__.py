"""The crash test: a server under load is killed again and again, and nothing that it acknowledged may be missing."""
