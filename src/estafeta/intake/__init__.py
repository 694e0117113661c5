"""The one door: whatever brings a message in, it is prepared, stored and acknowledged here."""
