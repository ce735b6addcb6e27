"""Referrals where the truth is known: the simulated firm, and the estimates held against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.referral.base import referral_base
from crmlib.referral.cycle import cycle_time, half_of
from crmlib.referral.reproduction import reproduction_number
from crmlib.referral.worth import OUTCOMES, early_value, valued_customers, worth_difference

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


def true_reproduction(tables: Tables, *, days: int, offered: bool | None = None) -> float:
    """Customers that one brings by the end of so many days after the own acquisition's, in a simulated firm.

    Days are the calendar's, as in `reproduction_number`: who was won at noon has had seven and a half of them when the
    seventh ends. By the clock it would be less, by an eighth at 7 days and by a hundredth at 60.

    Parameters
    ----------
    tables : Tables
    days : int
    offered : bool, optional
        Of those who are offered a reward, or of those who are not; default of all.
    """
    return float(tables.truth.reproduction_number(offered=offered) * _made_by(tables, np.array([days]))[0])


def true_cycle(tables: Tables, *, days: int) -> tuple[float, float]:
    """Mean and median cycle time of a simulated firm, in days of the calendar, of cycles that end within so many.

    As in `cycle_time` ages are whole, and for the median spread over half a day before and after.
    """
    ages = np.arange(days + 1)
    made = _made_by(tables, ages)
    share = np.diff(made, prepend=0.0) / made[-1]
    return float(ages @ share), half_of(made / made[-1])


def _made_by(tables: Tables, ages: np.ndarray) -> np.ndarray:
    """Share of all cycles that have ended by the end of each day of age.

    The cycle time is gamma with shape 2. Acquisitions spread evenly over a day, so that it is the mean of its
    distribution function F from s to s + 1; the integral of F is t F(t) less the mean times the F of shape 3.
    """
    from scipy.special import gammainc

    mean = tables.truth.parameters.referral_days

    def integral(t: np.ndarray) -> np.ndarray:
        return np.asarray(t * gammainc(2, 2 * t / mean) - mean * gammainc(3, 2 * t / mean))

    return integral(ages + 1.0) - integral(ages.astype(float))


def against_truth(
    tables: Tables, *, days: int, first_days: int = 180, quiet_days: int = 90, level: float = 0.95
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Array: the estimates of a simulated firm beside its truth, and beside what a plain count says.

    Parameters
    ----------
    tables : Tables
        Of a simulated firm with referrals and without a programme.
    days : int
        Window of reproduction number and cycle time.
    first_days, quiet_days : int
        As in `early_value`.
    level : float

    Returns
    -------
    (table, worth)
        table: quantity ("reproduction_number", "mean_cycle_days", then "margin_difference", "orders_difference",
        "active_difference"), plain (all brought over all customers; mean of the cycles seen; difference as it is),
        estimate (for the differences the matched one), low, high, truth (for the differences what being referred
        causes). worth: `worth_difference` in margin.

    Raises
    ------
    ParameterError, DataError
    """
    import pandas as pd

    known = true_worth(tables, days=first_days, quiet_days=quiet_days).set_index("outcome")
    base = referral_base(
        tables["referrals"], tables["customers"], as_of=str(tables.as_of), columns=["channel", "region"]
    )
    value = early_value(
        tables["orders"], tables["customers"], as_of=str(tables.as_of), days=first_days, quiet_days=quiet_days
    )
    valued = valued_customers(base, value)
    number = reproduction_number(base, days=days, level=level).iloc[0]
    mean = cycle_time(base, days=days, level=level).iloc[0]
    rows = [
        ("reproduction_number", number["crude"], number["reproduction"], number["low"], number["high"]),
        ("mean_cycle_days", mean["seen"], mean["days"], mean["low"], mean["high"]),
    ]
    truth = [true_reproduction(tables, days=days), true_cycle(tables, days=days)[0]]
    differences = {name: worth_difference(valued, outcome=name, level=level) for name in OUTCOMES}
    for outcome, table in differences.items():
        ways = table.set_index("method")
        matched = ways.loc["matched"]
        plain = ways.loc["naive", "difference"]
        rows.append((f"{outcome}_difference", plain, matched["difference"], matched["low"], matched["high"]))
        truth.append(float(known["caused"][outcome]))
    columns = ["quantity", "plain", "estimate", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(truth=truth), differences["margin"]
