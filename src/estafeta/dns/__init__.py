"""The domain name system as mail needs it."""
