"""What every other package may use and what knows nothing of mail: errors, ids, clock."""
