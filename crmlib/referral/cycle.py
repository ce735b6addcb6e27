r"""Cycle time: how long from winning a customer to winning one whom they bring.

Only cycles that have ended are seen, and of a customer won last month only a short one can have. Their plain mean
is too low: right truncation, in epidemics the bias towards short generation intervals while an outbreak grows. The
shape of the reproduction curve is free of it, :math:`P(\text{cycle} \le s) = \hat R(s) / \hat R(\tau)`: each cycle
seen stands for as many as there are customers over those followed so long (the idea of Lagakos et al. 1988).

References
----------
Lagakos, S. W., Barraj, L. M., & De Gruttola, V. (1988), Nonparametric analysis of truncated survival data, with
    application to AIDS, Biometrika 75, 515-523.
Britton, T., & Scalia Tomba, G. (2019), Estimation in emerging epidemics: biases and remedies, Journal of the Royal
    Society Interface 16, 20180670.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError
from crmlib.intervals import require_level
from crmlib.referral.base import ReferralBase, require_days
from crmlib.referral.reproduction import Counts

if TYPE_CHECKING:
    import pandas as pd

#: Fewer cycles than this get no interval.
FEWEST_CYCLES = 10


def cycle_distribution(base: ReferralBase, *, days: int) -> pd.DataFrame:
    """Array: share of cycles that end by each day, as they are and as they are seen.

    Parameters
    ----------
    base : ReferralBase
    days : int
        Longest cycle that counts; the shares are of these.

    Returns
    -------
    pandas.DataFrame, one row a day from 0
        age, share (corrected for truncation), seen_share (of the cycles seen: too many short ones).

    Raises
    ------
    ParameterError
    DataError
        No referral within the window.
    """
    import pandas as pd

    counts = _counts(base, days)
    steps, seen = counts.steps, np.bincount(counts.age, minlength=counts.days + 1)
    share, plain = (np.cumsum(values) / values.sum() for values in (steps, seen))
    return pd.DataFrame({"age": np.arange(counts.days + 1), "share": share, "seen_share": plain})


def cycle_time(base: ReferralBase, *, days: int, level: float = 0.95) -> pd.DataFrame:
    """Array: mean and median days from winning a customer to winning one whom they bring, with intervals.

    Estimand: the time of a referral that is made within `days` of the referrer's own acquisition. Ages are whole
    days, so that what happens at age s is spread over s - 1/2 to s + 1/2 for the median. In the firms of
    `reproduction_number` the 95 % intervals held the mean in 94.2 % and the median in 95.2 %; the mean of the cycles
    seen was 1.9 of 44.5 days too low.

    Parameters
    ----------
    base, days
        As in `cycle_distribution`. Errors too.
    level : float

    Returns
    -------
    pandas.DataFrame, two rows
        statistic ("mean", "median"), seen (of the cycles seen, uncorrected), days, standard_error (of the mean), low,
        high (NaN with fewer than 10 cycles). Customers are what was sampled; the mean's interval is by the delta
        method, the median's holds the ages at which the share made cannot be told apart from a half.
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    counts = _counts(base, days)
    ages, total = np.arange(counts.days + 1), counts.steps.sum()
    mean = float(ages @ counts.steps / total)
    error = float(np.sqrt(np.sum(counts.influence((ages - mean) / total) ** 2)))
    reach = float(norm.ppf(0.5 + level / 2))
    median, ends = half_of(np.cumsum(counts.steps) / total), _median_interval(counts, reach)
    rows = [("mean", counts.age.mean(), mean, error, mean - reach * error, mean + reach * error)]
    seen = np.cumsum(np.bincount(counts.age, minlength=counts.days + 1)) / len(counts.age)
    rows.append(("median", half_of(seen), median, np.nan, *ends))
    table = pd.DataFrame(rows, columns=["statistic", "seen", "days", "standard_error", "low", "high"])
    if len(counts.age) < FEWEST_CYCLES:
        table[["low", "high"]] = np.nan
    return table


def _counts(base: ReferralBase, days: int) -> Counts:
    days = require_days(base, days)
    counts = Counts.of(base, days, np.ones(len(base.customers), dtype=bool))
    if not len(counts.age):
        raise DataError(f"nobody has brought a customer within {days} days, so there is no cycle time")
    return counts


def half_of(share: np.ndarray) -> float:
    """Age at which a share by whole days passes a half, between days evenly."""
    day = int(np.argmax(share >= 0.5))
    before = share[day - 1] if day else 0.0
    return max(float(day - 0.5 + (0.5 - before) / (share[day] - before)), 0.0)


def _median_interval(counts: Counts, reach: float) -> tuple[float, float]:
    """Ages at which the share made is so many standard errors below, and above, a half; searched by halving."""

    def score(age: int) -> float:
        """Standard errors from a half by the end of a day."""
        value, error = counts.estimate((np.arange(counts.days + 1) <= age) - 0.5)
        return value / error if error else float(np.sign(value) * np.inf)

    def crossing(bar: float) -> float:
        low, high = -1, counts.days
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if score(middle) < bar else (low, middle)
        before, after = (score(age) if age >= 0 else -np.inf for age in (low, high))
        part = (bar - before) / (after - before) if np.isfinite(after - before) and after > before else 1.0
        return max(float(low + 0.5 + part), 0.0)

    return crossing(-reach), crossing(reach)
