"""Corpora of which the naming rule alone is known, one file each: for the tables of others."""
