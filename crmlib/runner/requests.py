"""What a call asks for: reports of the plan, or one of them with other parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crmlib.errors import ParameterError
from crmlib.runner import paper
from crmlib.runner.parameters import from_text
from crmlib.runner.plan import NAME, Report, plan, report_names


@dataclass(frozen=True)
class Request:
    """One report to run: the plan's, or a variant of it.

    Parameters
    ----------
    report : Report
        With the parameters to use.
    publication : str or None
        Name under `latest/` that a good run takes; None for a run kept in its own folder only.
    """

    report: Report
    publication: str | None


def requests(
    root: Path,
    names: Sequence[str] = (),
    *,
    given: Mapping[str, str] | None = None,
    as_name: str | None = None,
    as_of: str | None = None,
    cell_timeout: int | None = None,
    run_timeout: int | None = None,
    retries: int | None = None,
    pdf: bool = False,
) -> list[Request]:
    """What to run: reports of the plan, or one of them with other parameters.

    Parameters
    ----------
    root : Path
    names : sequence of str
        Entries of `reports.yml`; all when empty.
    given : mapping of name to text
        Parameters other than the plan's; for one report only.
    as_name : str, optional
        Publish under this name, which is no report of the plan.
    as_of : str, optional
        Day, YYYY-MM-DD, that every report shall look at.
    cell_timeout, run_timeout : int, optional
        Seconds, instead of the plan's.
    retries : int, optional
        Runs after a dead kernel or a timeout, instead of the plan's.
    pdf : bool
        Make each page as PDF too, whatever the plan says.

    Raises
    ------
    ParameterError
        The plan, a name or a parameter is at fault.
    """
    reports = plan(root, names)
    if (given or as_name) and (len(names) != 1 or len(reports) != 1):
        raise ParameterError("-p and --as are for one report; name it")
    if as_name is not None:
        if not NAME.fullmatch(as_name):
            raise ParameterError(f"--as {as_name!r} must be lower-case letters, digits, _ and -, at most 64")
        if as_name in {name for name, _ in report_names(root)}:
            raise ParameterError(
                f"--as {as_name!r} is a report of the plan, whose page it would replace; choose another"
            )
    texts = dict(given or {})
    if as_of is not None:
        if not as_of:  # as a shell makes it of a variable that is not set
            raise ParameterError("--as-of '': give a day as YYYY-MM-DD, or leave it out")
        without = [report.name for report in reports if "as_of" not in report.declared]
        if without or "as_of" in texts:
            wrong = f"{', '.join(without)} declare no as_of; name others" if without else "as_of is given twice"
            raise ParameterError(f"--as-of {as_of[:40]!r}: {wrong}")
        texts["as_of"] = as_of
    found = []
    for report in reports:
        own = dict(report.parameters)
        values = own | from_text(report.declared, texts)
        latest = report.latest and "as_of" not in texts
        changed = replace(
            report,
            parameters=values,
            latest=latest,
            cell_timeout=cell_timeout or report.cell_timeout,
            run_timeout=run_timeout or report.run_timeout,
            retries=report.retries if retries is None else retries,
            pdf=report.pdf or pdf,
        )
        is_plan = values == own and latest == report.latest
        found.append(Request(changed, as_name or (report.name if is_plan else None)))
    if any(request.report.pdf for request in found):
        paper.require()
    return found
