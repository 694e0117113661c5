"""Mail that has to leave or to wait: entries, destinations, holds. Synchronous; changes run in the group commit."""
