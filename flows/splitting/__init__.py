"""Folds of the clips of a store."""
