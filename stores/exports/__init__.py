"""Exports: what a store holds, written as other tools of the field read it.

A format is one file here and one line in `catalog`; none of them needs the library that reads it.
"""
