"""What an audit reads and the rules it judges by. `manifests.audits` is their one table."""
