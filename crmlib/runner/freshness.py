"""Data old enough to mislead are refused, and `as_of: latest` becomes the day that the data end."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

from crmlib.errors import DataError, StaleDataError
from crmlib.runner.extents import age_in_days, extent
from crmlib.runner.plan import LATEST, Report
from crmlib.runner.provenance import data_hashes

#: Days by which data may end later than today: where the sun rises, tomorrow has begun.
_ZONES = 1


def resolved(root: Path, report: Report, today: datetime.date, *, keep: bool = True) -> tuple[Report, str | None]:
    """The report as it will be run, and the last day of its data where the plan asks for it.

    Parameters
    ----------
    root : Path
    report : Report
    today : datetime.date
        From which the age of the data is counted.

    keep : bool
        Whether what is read of the data may be written down, so that nobody reads it again.

    Raises
    ------
    SourceError, DataError
        The data are missing or cannot be read, hold no date, or one that is yet to come.
    StaleDataError
        They ended more than `max_age_days` ago.
    """
    if report.max_age_days is None and not report.latest:
        return report, None
    wants = f"as_of: {LATEST}" if report.latest else "max_age_days"
    days = []
    for name, mark in data_hashes(report.parameters).items():
        source = str(report.parameters[name])
        found = extent(root, source, mark, keep=keep)
        age = age_in_days(found, today)
        if found.last_day is None or age is None:
            raise DataError(f"the data of {source!r} hold no date, so {wants} means nothing; leave it out of the plan")
        if age < -_ZONES:
            raise DataError(
                f"the data of {source!r} end on {found.last_day}, which is yet to come: a wrong date hides how old "
                "they are; correct it"
            )
        if report.max_age_days is not None and age > report.max_age_days:
            raise StaleDataError(
                f"the data of {source!r} end on {found.last_day}, {age} days ago; "
                f"{report.max_age_days} are allowed: bring newer data, or raise max_age_days"
            )
        days.append(found.last_day)
    if not days:
        raise DataError(f"{report.name} names no data source, so {wants} means nothing; leave it out of the plan")
    oldest = min(days)
    if report.latest:
        report = replace(report, parameters={**report.parameters, "as_of": oldest})
    return report, oldest
