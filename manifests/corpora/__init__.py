"""Corpora: one file for each, and the catalog that names them."""
