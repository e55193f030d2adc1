"""The audit: everything that judges a split, behind one public door.

What other packages use of it is named here; the table of its findings is `manifests.audits`.
"""

from typing import TYPE_CHECKING

from manifests.on_demand import on_demand

if TYPE_CHECKING:
    from manifests.audit.arithmetic import audit_paper
    from manifests.audit.catalog import RULES
    from manifests.audit.errors import NothingToAudit, WrongForeignTable, WrongPaper
    from manifests.audit.foreign_columns import COLUMNS, FLAGS
    from manifests.audit.foreign_match import match_foreign
    from manifests.audit.judging import audit
    from manifests.audit.listing import Fit, Listing
    from manifests.audit.observations import Rule
    from manifests.audit.papers import Claim, Paper
    from manifests.audit.reading.catalog import SUFFIXES
    from manifests.audit.reading.options import MEANING_OF, ReadingOptions
    from manifests.audit.reading.published import read_foreign, read_published
    from manifests.audit.reading.sides import ROLE_OF
    from manifests.audit.stored import CopyEvidence, check_folds, list_store
    from manifests.audit.verdicts import (
        Answer,
        SplitVerdict,
        but_unread,
        paper_verdict,
        verdicts_of,
    )
else:
    __getattr__ = on_demand(
        __name__,
        {
            "manifests.audit.arithmetic": ("audit_paper",),
            "manifests.audit.catalog": ("RULES",),
            "manifests.audit.errors": ("NothingToAudit", "WrongForeignTable", "WrongPaper"),
            "manifests.audit.foreign_columns": ("COLUMNS", "FLAGS"),
            "manifests.audit.foreign_match": ("match_foreign",),
            "manifests.audit.judging": ("audit",),
            "manifests.audit.listing": ("Fit", "Listing"),
            "manifests.audit.observations": ("Rule",),
            "manifests.audit.papers": ("Claim", "Paper"),
            "manifests.audit.reading.catalog": ("SUFFIXES",),
            "manifests.audit.reading.options": ("MEANING_OF", "ReadingOptions"),
            "manifests.audit.reading.published": ("read_foreign", "read_published"),
            "manifests.audit.reading.sides": ("ROLE_OF",),
            "manifests.audit.stored": ("CopyEvidence", "check_folds", "list_store"),
            "manifests.audit.verdicts": (
                "Answer",
                "SplitVerdict",
                "but_unread",
                "paper_verdict",
                "verdicts_of",
            ),
        },
    )

__all__ = [
    "COLUMNS",
    "FLAGS",
    "MEANING_OF",
    "ROLE_OF",
    "RULES",
    "SUFFIXES",
    "Answer",
    "Claim",
    "CopyEvidence",
    "Fit",
    "Listing",
    "NothingToAudit",
    "Paper",
    "ReadingOptions",
    "Rule",
    "SplitVerdict",
    "WrongForeignTable",
    "WrongPaper",
    "audit",
    "audit_paper",
    "but_unread",
    "check_folds",
    "list_store",
    "match_foreign",
    "paper_verdict",
    "read_foreign",
    "read_published",
    "verdicts_of",
]
