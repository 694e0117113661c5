"""Delivery to other servers: who takes what from the queue, hosts of a destination, TLS policy, sessions outward."""
