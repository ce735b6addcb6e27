"""From service cases and orders to who was asked, how they graded, and whether they came back."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd

#: Chance to order again within 90 days by grade, 1 to 5, in the simulated survey: steps that are not equal.
RETURN_RATES = (0.08, 0.14, 0.22, 0.32, 0.62)
_CUTS = (-2.2, -1.2, 0.0, 1.4)  # of the latent satisfaction, between the grades
_BY_HOUR, _EMAIL_SPREAD = -0.03, 1.9


def answered_cases(
    cases: Any, orders: Any, *, days: int = 90, as_of: str | datetime.date | None = None
) -> pd.DataFrame:
    """Array: each customer's first graded case, and whether they ordered within so many days after it.

    Parameters
    ----------
    cases : any frame
        case_id, customer_id, opened_at, satisfaction (1 very disappointed to 5 very satisfied; missing for who did
        not answer); where known resolved_at and channel.
    orders : any frame
        customer_id, ordered_at.
    days : int
        Within how many days after the case was resolved (opened, where that is not known) an order counts.
    as_of : date or ISO string, optional
        Last day of the data. Default: the last order's day. Cases not followed for all the days are left out.

    Returns
    -------
    pandas.DataFrame, one row a customer, by case_id
        case_id, customer_id, grade (1-5), returned (bool), and where there is such a column hours (from opening to
        resolving; missing while open) and channel ("not known" where it is missing).

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        No graded case was followed for so long, or a grade is not 1 to 5.
    """
    import pandas as pd

    if isinstance(days, bool) or not hasattr(days, "__index__") or days < 1:
        raise ParameterError(f"days is {days!r}; give a whole number of days, 1 or more")
    table = to_pandas(cases)
    wrap(table, ("case_id", "customer_id", "opened_at", "satisfaction"), table="cases")
    table = table[table["satisfaction"].notna()].copy()
    grade = table["satisfaction"].astype(float)
    wrong = int((~grade.isin(range(1, 6))).sum())
    if wrong:
        raise DataError(f"{wrong} grades are not 1 to 5; map your scale to 1 (very disappointed) to 5 (very satisfied)")
    bought = to_pandas(wrap(orders, ("customer_id", "ordered_at"), table="orders").to_native()).dropna()
    last = as_date(as_of, name="as_of") or (bought["ordered_at"].max().date() if len(bought) else None)
    end = pd.Timestamp(last) + pd.Timedelta(days=1) if last else pd.Timestamp.min
    table["asked_at"] = table["opened_at"]
    if "resolved_at" in table:
        table["asked_at"] = table["resolved_at"].fillna(table["opened_at"])
        table["hours"] = (table["resolved_at"] - table["opened_at"]).dt.total_seconds() / 3_600
    if "channel" in table:
        table["channel"] = table["channel"].fillna("not known")
    reach = pd.Timedelta(days=days)
    table = table[table["asked_at"] + reach <= end].sort_values(["asked_at", "case_id"], kind="stable")
    table = table.drop_duplicates("customer_id")
    if table.empty:
        raise DataError(f"no graded case was followed for {days} days; take fewer days or a later as_of")
    pairs = table[["case_id", "customer_id", "asked_at"]].merge(bought, on="customer_id")
    inside = (pairs["ordered_at"] > pairs["asked_at"]) & (pairs["ordered_at"] <= pairs["asked_at"] + reach)
    table["returned"] = table["case_id"].isin(pairs.loc[inside, "case_id"])
    table["grade"] = table["satisfaction"].astype(np.int64)
    known = [name for name in ("hours", "channel") if name in table]
    return table.sort_values("case_id", ignore_index=True)[["case_id", "customer_id", "grade", "returned", *known]]


@dataclass(frozen=True, eq=False)
class SimulatedSurvey:
    """Service cases and orders of a firm that never was, and what generated them.

    Attributes
    ----------
    cases, orders : pandas.DataFrame
        As `answered_cases` takes them; who did not answer has no satisfaction.
    grades : int array
        The grade that each case's customer has in mind, answered or not.
    as_of : datetime.date
    """

    cases: pd.DataFrame
    orders: pd.DataFrame
    grades: np.ndarray
    as_of: datetime.date

    def last_day(self, as_of: str | datetime.date | None = None) -> datetime.date:
        """Last day to look at: `as_of`, or the survey's own where it is not set.

        Raises
        ------
        ParameterError
            `as_of` is no date, or later than the survey's last day.
        """
        day = as_date(as_of, name="as_of")
        if day is not None and day > self.as_of:
            raise ParameterError(
                f"as_of {day} is after the last day of the simulated survey, {self.as_of}; take that or an earlier one"
            )
        return day or self.as_of


def simulated_survey(
    rng: np.random.Generator, *, customers: int = 6_000, answering: float = 0.5, loudness: float = 1.0
) -> SimulatedSurvey:
    """Array: a satisfaction survey whose mapping to repeat buying is known; simulated.

    Each customer has one case. Hours until it is resolved are exponential (mean 24). Satisfaction is logistic
    around −0.03 an hour; by e-mail it is spread 1.9 times as wide (a written answer helps or it does not), so
    that channels with nearly the same mean differ in their shares. It is graded by cuts at −2.2, −1.2, 0, 1.4. Whoever
    grades g orders again within 90 days with the chance `RETURN_RATES` has for it.

    Parameters
    ----------
    rng : numpy.random.Generator
    customers : int
    answering : float
        Share of the customers in the middle grades who answer, above 0 to 1.
    loudness : float
        Odds of answering of the two extreme grades, as a multiple of the others'; 1 for none.
    """
    import pandas as pd

    if not (0 < answering <= 1 and loudness > 0 and customers >= 1):
        raise ParameterError("give customers of 1 or more, answering above 0 and up to 1, and loudness above 0")
    start = np.datetime64("2025-01-01", "us")
    email = rng.random(customers) < 0.5
    hours = rng.exponential(24, customers)
    satisfied = _BY_HOUR * (hours - 24) + rng.logistic(size=customers) * np.where(email, _EMAIL_SPREAD, 1.0)
    grades = 1 + np.searchsorted(_CUTS, satisfied)
    second = 1_000_000
    opened = start + (rng.random(customers) * 180 * 86_400).astype(np.int64) * second
    resolved = opened + (hours * 3_600).astype(np.int64) * second
    odds = np.where(np.isin(grades, (1, 5)), loudness, 1.0) * answering / max(1 - answering, 1e-12)
    answers = rng.random(customers) < odds / (1 + odds)
    returns = rng.random(customers) < np.array(RETURN_RATES)[grades - 1]
    later = resolved + (1 + rng.random(customers) * (90 * 86_400 - 2)).astype(np.int64) * second
    ids = np.arange(1, customers + 1)
    cases = pd.DataFrame(
        {
            "case_id": ids,
            "customer_id": ids,
            "opened_at": opened,
            "resolved_at": resolved,
            "channel": np.where(email, "e-mail", "phone"),
            "satisfaction": pd.array(np.where(answers, grades, 0), dtype="Int64"),
        }
    )
    cases.loc[~answers, "satisfaction"] = pd.NA
    orders = pd.DataFrame({"order_id": ids, "customer_id": ids, "ordered_at": later})[returns]
    return SimulatedSurvey(cases, orders.reset_index(drop=True), grades, datetime.date(2026, 1, 31))


def response_sweep(
    *, customers: int, loudness: Sequence[float] = (1.0, 2.0, 4.0), level: float = 0.95, seed: int
) -> pd.DataFrame:
    """Array: share of the very satisfied, mean grade and their return, as the extremes answer more readily.

    Returns
    -------
    pandas.DataFrame, one row a firm, all from the same seed
        loudness, top_share, low, high (very satisfied among the answers), true_share (among all), mean_grade,
        true_mean, top_return (of the very satisfied who answered), true_return.
    """
    import pandas as pd

    from crmlib.satisfaction.grades import grade_table

    rows = []
    for factor in loudness:
        made = simulated_survey(np.random.default_rng(seed), customers=customers, loudness=factor)
        found = answered_cases(made.cases, made.orders, as_of=made.as_of)
        top = grade_table(found, level=level).iloc[-1]
        truth = ((made.grades == 5).mean(), found["grade"].mean(), made.grades.mean())
        rows.append((factor, top["share"], top["low"], top["high"], *truth, top["returned"], RETURN_RATES[-1]))
    names = ["loudness", "top_share", "low", "high", "true_share", "mean_grade", "true_mean", "top_return"]
    return pd.DataFrame(rows, columns=[*names, "true_return"])
