"""The Prefect flow `audit`: the findings of an audit, with a page of them for people."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.auditing.run import run_audit
from flows.prefect_runs import run_name, with_sentence
from flows.reporting.place import made_before
from flows.view.audit import summary
from flows.view.run_summary import artifact_key, audit_page, report_block
from manifests.visible import visible
from stores.location import locate


@flow(name="audit", flow_run_name=run_name("sources"), persist_result=False)
@with_sentence
def audit(
    sources: list[str | Path],
    corpus: str | None = None,
    scheme: str | None = None,
    columns: list[str] | None = None,
    sides: list[str] | None = None,
    subject: str | None = None,
    where: list[str] | None = None,
) -> State[Any]:
    """Audit a store, a table of a split, or a paper's printed numbers.

    The flow succeeds whatever is found: the verdict stands in its message, and is that of
    `AuditReport.verdict`. See `flows.auditing.run.run_audit`.

    Args:
        sources: A store, a published split, or a paper's numbers.
        corpus: Whose clips a table lists; guessed if not given.
        scheme: Audit this split scheme alone.
        columns: What columns of a table mean, each such as `clip=3`.
        sides: What the sides of a table are written as, each such as `test=2`.
        subject: A regular expression that finds the speaker in the name of a clip.
        where: Conditions on the clips of a store whose folds are judged, such as channel=speech.

    Returns:
        The completed state, with an AuditReport.
    """
    report = run_audit(sources, corpus, scheme, columns or (), sides or (), subject, where or ())
    location = locate(sources[0])
    create_markdown_artifact(
        audit_page(report) + report_block(made_before(location)),
        key=artifact_key("audit", location),
        description=visible(f"Audit of {report.source}")[:200],
    )
    message = f"{report.source}: {report.verdict.sentence}; {summary(report.findings)}"
    return Completed(message=visible(message), data=report)
