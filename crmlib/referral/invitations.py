"""What becomes of invitations, and how few customers bring most of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, require_level
from crmlib.referral.base import ReferralBase, require_days
from crmlib.referral.reproduction import Counts

if TYPE_CHECKING:
    import pandas as pd


def acceptance_rate(base: ReferralBase, *, days: int = 30, by: str | None = None, level: float = 0.95) -> pd.DataFrame:
    r"""Array: share of invitations that are accepted within so many days, with interval.

    Only invitations at least so old count, and only acceptances within the days: yesterday's invitation is not
    refused, it waits. A customer's invitations share their fate, so customers are what was sampled: the ratio's error
    is :math:`\hat\sigma^2 = \sum_i (a_i - \hat p\, n_i)^2 / (\sum_i n_i)^2`, the interval on the logit scale.

    Parameters
    ----------
    base : ReferralBase
    days : int
        From the invitation on, at least 1.
    by : str, optional
        Column of the inviting customers, such as referral_arm or cohort.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a group
        group, customers (who sent one that counts), invitations, accepted, acceptance_rate, low, high (NaN with fewer
        than 30 invitations, or where none or all are accepted).

    Raises
    ------
    MissingColumnsError, ParameterError
    """
    import pandas as pd
    from scipy.special import expit, logit
    from scipy.stats import norm

    require_level(level)
    if isinstance(days, bool) or not hasattr(days, "__index__") or days < 1:
        raise ParameterError(f"days is {days!r}; give a whole number of days from 1 on")
    old = base.invitations[base.invitations["waited_days"] >= days]
    yes = (old["response_days"] <= days).to_numpy()
    sender = old["referrer"].to_numpy(dtype=np.int64)
    sent, won = (np.bincount(sender[each], minlength=len(base.customers)) for each in (slice(None), yes))
    rows = []
    for name, mask in base.groups(by):
        n, a = sent[mask], won[mask]
        row = {"group": name, "customers": int((n > 0).sum()), "invitations": int(n.sum()), "accepted": int(a.sum())}
        share = a.sum() / n.sum() if n.sum() else np.nan
        low = high = np.nan
        if n.sum() >= FEWEST and 0 < share < 1:
            error = np.sqrt(np.sum((a - share * n) ** 2)) / n.sum() / (share * (1 - share))
            low, high = expit(logit(share) + np.array([-1, 1]) * norm.ppf(0.5 + level / 2) * error)
        rows.append(row | {"acceptance_rate": share, "low": low, "high": high})
    return pd.DataFrame(rows)


def referrer_concentration(
    base: ReferralBase,
    *,
    days: int,
    parts: Sequence[float] = (0.01, 0.05, 0.2),
    level: float = 0.95,
    replicates: int = 500,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: share of referred customers whom the most active referrers brought, beside what chance gives.

    Among customers followed for the whole window, by what they brought in it. Even if all were alike, some would
    bring more by luck: `chance` is the share of the top part in a Poisson distribution of the same mean.

    Parameters
    ----------
    base : ReferralBase
    days : int
        Window since the customer's own acquisition.
    parts : sequence of float
        Parts of the customers, 0 to 1; customers at the cut count in part.
    level, replicates, rng
        Of the bootstrap over customers.

    Returns
    -------
    pandas.DataFrame, one row a part, and one of those who brought anyone
        part (NaN in the last row, whose value is a share of the customers), customers, brought, value, low, high,
        chance. Intervals are NaN with fewer than 30 customers who brought someone.

    Raises
    ------
    ParameterError
    DataError
        Nobody brought anyone within the window.
    """
    import pandas as pd
    from scipy.stats import poisson

    require_level(level)
    if replicates < 1:
        raise ParameterError(f"replicates is {replicates}; give at least 1, better 500")
    if not all(0 < part < 1 for part in parts):
        raise ParameterError(f"parts are {list(parts)}; give shares of the customers between 0 and 1")
    counts = Counts.of(base, require_days(base, days), base.followed >= days)
    brought = np.bincount(counts.customer, minlength=len(counts.followed))
    if not brought.sum():
        raise DataError(f"no customer followed for {days} days has brought anyone within them; take a longer window")

    # customers who brought as many are alike, so that numbers of them are drawn instead of customers
    number = np.bincount(brought)[::-1]
    each = np.arange(len(number))[::-1]

    def shares(drawn: np.ndarray) -> np.ndarray:
        held, total = np.cumsum(drawn * each, axis=1), np.cumsum(drawn, axis=1)
        rows = zip(held, total, strict=True)
        top = np.array([np.interp(np.array(parts) * all_[-1], all_, own) / max(own[-1], 1) for own, all_ in rows])
        return np.column_stack([top, 1 - drawn[:, -1] / total[:, -1]])

    value = shares(number[None])[0]
    low = high = np.full(len(value), np.nan)
    if (brought > 0).sum() >= FEWEST:
        drawn = shares(rng.multinomial(len(brought), number / len(brought), replicates))
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    k = np.arange(int(brought.max()) + 50)[::-1]
    mass = poisson.pmf(k, brought.mean())
    luck = np.interp(parts, np.cumsum(mass), np.cumsum(mass * k)) / brought.mean()
    table = {"part": [*parts, np.nan], "customers": len(brought), "brought": int(brought.sum()), "value": value}
    chance = [*luck, -np.expm1(-brought.mean())]
    return pd.DataFrame(table | {"low": low, "high": high, "chance": chance})
