"""Everything that prints or draws: it shows what it is given and computes nothing."""
