"""The programme's effect where it is known: at a simulated firm, run again without its programme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ParameterError
from crmlib.frames import to_pandas
from crmlib.loyalty.matching import adjusted_comparisons
from crmlib.loyalty.panels import membership_panel, panel_start
from crmlib.loyalty.programme import programme_comparisons, programme_effect

if TYPE_CHECKING:
    import datetime

    import pandas as pd

    from crmlib.data import Tables

_TRUE_COLUMNS = {"amount": "spend", "orders": "orders"}
#: Tables that a study of the programme needs.
NEEDED = ("customers", "orders", "memberships")


def programme_panel(
    tables: Tables, *, start: str | datetime.date | None = None, period: str = "month", per_days: float = 30.0
) -> pd.DataFrame:
    """Array: `membership_panel` of a source's customers, orders and memberships, as a pandas frame.

    Parameters
    ----------
    tables : Tables
        With customers, orders, memberships.
    start : date or ISO string, optional
        First day of the panel; default the simulated firm's own, see `panel_start`.
    period, per_days
        As in `membership_panel`.
    """
    frames = tuple(tables[name] for name in ("orders", "memberships", "customers"))
    options: dict[str, Any] = {"start": panel_start(tables, start), "as_of": tables.as_of}
    panel = membership_panel(*frames, **options, period=period, per_days=per_days)
    return to_pandas(panel, sort_by=["customer_id", "period"])


def true_effect(tables: Tables, *, outcome: str = "orders", period: str = "month") -> pd.DataFrame:
    """Array: a simulated firm's true effect on its own members, by event time.

    Parameters
    ----------
    tables : Tables
        Of a simulated firm.
    outcome : {"orders", "amount"}
    period : {"month", "day", "week", "quarter", "year"}

    Returns
    -------
    pandas.DataFrame, one row an event time after the joining period
        event_time, members, effect (expected, per member and 30 days).

    Raises
    ------
    ParameterError
        The source is not simulated, or another outcome.
    """
    if outcome not in _TRUE_COLUMNS:
        raise ParameterError(f"outcome {outcome!r} has no known effect; use {' or '.join(_TRUE_COLUMNS)}")
    if tables.truth is None:
        raise ParameterError(f"source {tables.source!r} is not simulated, so its true effect is not known")
    table = tables.truth.programme_effect(period=period)
    return table[["event_time", "members"]].assign(effect=table[_TRUE_COLUMNS[outcome]])


def assumption_sweep(
    *, customers: int, pulls: Sequence[float] = (0.0, 0.75, 1.5), level: float = 0.95, seed: int
) -> pd.DataFrame:
    """Array: the event study and the comparisons of members as selection and parallel trends are varied.

    Simulates one firm for each strength with which heavy buyers are drawn into the programme, with members'
    trends parallel to the others' and not; all from the same seed.

    Parameters
    ----------
    customers : int
        Size of each firm.
    pulls : sequence of float
        Values of `simulate`'s `self_selection`; 0 means that everybody is as likely to join.
    level : float
    seed : int

    Returns
    -------
    pandas.DataFrame, one row a firm; rates are orders per member and 30 days
        pull, parallel (bool), truth, effect, low, high (event study), naive, weighted, matched (see
        `adjusted_comparisons`), pretrend_p.
    """
    import pandas as pd

    from crmlib import data

    rows = []
    for parallel in (True, False):
        for pull in pulls:
            options: dict[str, Any] = {"self_selection": pull, "parallel_trends": parallel, "tables": NEEDED}
            firm = data.simulate(np.random.default_rng(seed), customers=customers, **options)
            panel, known = programme_panel(firm), true_effect(firm)
            study = programme_effect(panel, level=level)
            naive = programme_comparisons(panel, level=level).set_index("method").loc["naive", "effect"]
            alike = adjusted_comparisons(panel, level=level)["effect"]
            truth = np.average(known["effect"], weights=known["members"])
            estimate = study.overall[["effect", "low", "high"]]
            rows.append((pull, parallel, truth, *estimate, naive, *alike, study.pretrend["p_value"]))
    names = ["pull", "parallel", "truth", "effect", "low", "high", "naive", "weighted", "matched", "pretrend_p"]
    return pd.DataFrame(rows, columns=names)
