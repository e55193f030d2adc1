"""Other tools that the bench measures against, in an environment of their own."""
