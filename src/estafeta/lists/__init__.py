"""Distribution lists at work: what comes to a list's addresses becomes mail for members, letters, and changes."""
