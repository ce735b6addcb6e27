"""Referrals where the truth is known: the simulated firm, and the estimates held against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.data import Tables

#: Tables that a study of referrals needs.
NEEDED = ("customers", "orders", "referrals")
_OF_TRUTH = {"margin": "gross_margin", "orders": "orders", "active": "active"}


def referring_firm(seed: int, *, customers: int = 20_000, engine: str = "pandas", **options: Any) -> Tables:
    """Tables of a simulated firm whose customers refer others, with their truth.

    Parameters
    ----------
    seed : int
    customers : int
    engine : {"pandas", "polars", "duckdb"}
    **options
        Of `crmlib.data.simulate`; defaults here: reproduction 0.4, no loyalty programme, the tables needed.
    """
    from crmlib import data

    defaults: dict[str, Any] = {"reproduction": 0.4, "programme": False, "tables": NEEDED}
    return data.simulate(np.random.default_rng(seed), customers=customers, engine=engine, **defaults | options)


def referral_tables(source: str, *, seed: int, engine: str = "pandas", customers: int = 20_000) -> Tables:
    """Tables of a source with referrals; "simulated" is a firm made here, with its truth.

    Raises
    ------
    DataError
        The source has no referrals, or no acquired_at of its customers.
    """
    from crmlib import data

    if source == "simulated":
        return referring_firm(seed, customers=customers, engine=engine)
    tables = data.load(source, engine=engine)
    for name in NEEDED:
        if name not in tables:
            raise DataError(
                f"source {source!r} has no table {name!r}; add {name}.csv to its folder, or take source=simulated"
            )
    return tables


def true_worth(tables: Tables, *, days: int, quiet_days: int = 90) -> pd.DataFrame:
    """Array: what being referred causes in the first days, and whom it attracts, in a simulated firm.

    Parameters
    ----------
    tables : Tables
        Of a simulated firm with referrals and without a programme.
    days, quiet_days : int
        As in `early_value`.

    Returns
    -------
    pandas.DataFrame, one row an outcome ("margin": less cost of goods, "orders", "active"); expected values of the
        customers who have been followed for the days
        outcome, referred (their mean), others, difference, caused (of the referred: with less without), attracted
        (what the referred would bring without, less the others).

    Raises
    ------
    ParameterError
        The source is not simulated; or the firm has a programme.
    DataError
        Everyone was referred, or nobody.
    """
    import pandas as pd

    if tables.truth is None or not hasattr(tables.truth, "referral_effect"):
        raise ParameterError(f"source {tables.source!r} is not simulated, so what referral causes is not known")
    effect = tables.truth.referral_effect(days, quiet_days)
    last = np.datetime64(tables.truth.parameters.as_of, "D")
    effect = effect[tables.truth.acquired_at.astype("datetime64[D]") + np.timedelta64(days, "D") <= last]
    own, others = effect[effect["referred"]], effect[~effect["referred"]]
    if not len(own) or not len(others):
        raise DataError("everyone was referred, or nobody: there is nobody to compare with")
    rows = []
    for outcome, column in _OF_TRUTH.items():
        with_, without, other = own[column].mean(), own[f"{column}_without"].mean(), others[column].mean()
        rows.append((outcome, with_, other, with_ - other, with_ - without, without - other))
    return pd.DataFrame(rows, columns=["outcome", "referred", "others", "difference", "caused", "attracted"])
