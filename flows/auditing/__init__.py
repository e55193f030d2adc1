"""What an audit needs beyond its rules: reading sources, measuring copies, probing leaks."""
