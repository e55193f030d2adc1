"""Features that are learned: fitted on the training clips of one fold, and used for that fold
alone."""
