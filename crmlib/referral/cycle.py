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
    days; the median is the first by which half of the referrals have been made.

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
        method, the median's holds the days at which the share made cannot be told apart from a half.
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    counts = _counts(base, days)
    ages, total = np.arange(counts.days + 1), counts.steps.sum()
    mean = float(ages @ counts.steps / total)
    error = float(np.sqrt(np.sum(counts.influence((ages - mean) / total) ** 2)))
    reach = float(norm.ppf(0.5 + level / 2))
    median = int(np.argmax(np.cumsum(counts.steps) >= total / 2 * (1 - 1e-12)))
    ends = _median_interval(counts, median, reach)
    rows = [("mean", counts.age.mean(), mean, error, mean - reach * error, mean + reach * error)]
    rows.append(("median", np.median(counts.age), float(median), np.nan, *ends))
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


def _median_interval(counts: Counts, median: int, reach: float) -> tuple[float, float]:
    """Days around the median whose share is within so many standard errors of a half; searched by halving."""

    def apart(age: int) -> bool:
        weights = (np.arange(counts.days + 1) <= age) - 0.5
        value, error = counts.estimate(weights)
        return abs(value) > reach * error

    def edge(near: int, far: int) -> int:
        """Last day, from near to far, that is not apart."""
        while abs(far - near) > 1:
            middle = (near + far) // 2
            near, far = (near, middle) if apart(middle) else (middle, far)
        return near

    return float(edge(median, -1) if median else 0), float(edge(median, counts.days + 1))
