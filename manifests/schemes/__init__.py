"""Split schemes: how groups are formed, balanced and assigned to folds.

What other packages use of them is named in `manifests.schemes.catalog`; the table of folds is
`manifests.folds`.
"""
