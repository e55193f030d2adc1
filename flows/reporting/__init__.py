"""The report of a store: one page for people, made of what the store holds."""
