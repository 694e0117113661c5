"""Who and what is here: domains, users, addresses, aliases, groups, credentials, and the site's settings."""
