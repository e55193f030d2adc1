"""Features that are learned on the training clips of one fold, and used for that fold alone."""
