"""What is learned from the training clips of each fold."""
