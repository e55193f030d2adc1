"""Processes that do the work, here or on a cluster; nothing here knows what the work is."""
