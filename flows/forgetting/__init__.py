"""Forgetting: what is taken out of a store for good, a subject or what no snapshot names."""
