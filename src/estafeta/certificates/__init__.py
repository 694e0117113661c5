"""Certificates and keys: made, kept, checked, and given to the listeners that use them."""
