"""From corpora to a committed snapshot."""
