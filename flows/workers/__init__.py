"""Processes that do the work, on this machine or on a cluster; nothing here knows what the work is."""
