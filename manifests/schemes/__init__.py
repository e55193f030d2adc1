"""Fold schemes: how groups are formed, balanced and dealt to folds. `manifests.folds` is their one
table."""
