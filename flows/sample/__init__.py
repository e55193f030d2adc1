"""The synthetic sample corpus, and the demonstration that is built from it."""
