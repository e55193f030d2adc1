"""The flow `audit`: the step of the same name, with its findings as a Markdown artifact for
people."""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.auditing.run import Report, run_audit
from flows.view.audit import markdown
from flows.workers.prefect_executor import mendable, run_name


@flow(name="audit", flow_run_name=run_name("sources"), persist_result=False)
@mendable
def audit(sources: list[Path], corpus: str | None = None, scheme: str | None = None) -> Report:
    """Audit a store, a table of a split, or a paper's printed numbers; see
    `flows.auditing.run.run_audit`.

    The flow succeeds whatever is found: `Report.failed` says whether there is an error among the
    findings.
    """
    report = run_audit(sources, corpus, scheme)
    create_markdown_artifact(
        markdown(report), key="audit", description=f"Audit of {report.source}"[:200]
    )
    return report
