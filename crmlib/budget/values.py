r"""What customers of each acquisition channel are worth later: active share and margin by age.

With :math:`S_k` the customers of a channel whose age k was seen whole and :math:`y_{ik}` the margin of customer i
at that age, a customer brings :math:`m_k = |S_k|^{-1} \sum_{i \in S_k} y_{ik}` at age k and
:math:`M_k = m_0 + \dots + m_k` up to its end. Each age is a mean over those who could be seen at it, so neither
customers won lately nor those won before the orders begin bend it, as long as *when* somebody was won says
nothing about what they are worth.

Channels do not draw lots for whom they meet. A difference between their customers is one of *selection*
as much as of effect: it tells what the customers of a channel are worth, not what the channel made of them, nor
what the next ones would be worth that more money would win.

References
----------
Bang, H., & Tsiatis, A. A. (2000), Estimating medical costs with censored data, Biometrika 87, 329-343: costs added up
    over intervals, each over those who are under observation in it.
Hall, P. (1992), On the removal of skewness by transformation, Journal of the Royal Statistical Society B 54, 221-228.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.budget.ages import Ages, Day, customer_ages
from crmlib.budget.resampling import ratio, resampled, skews, studentised, unskewed
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, require_level

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class ChannelValues:
    """Active share and margin by acquisition channel and age, with bootstrap replicates.

    Attributes
    ----------
    channels : tuple of str
    period_days : int
        Length of an age.
    customers : int array (channels,)
        Customers of dated acquisition, won up to the last day.
    won : int array (channels,)
        Those of them who were won on or after the first day.
    seen, active : int arrays (channels, ages)
        Customers whose age was seen whole; those of them who ordered at it.
    margin : float array (channels, ages)
        Mean margin of a customer at that age; missing where nobody was seen.
    sums, counts : float arrays (channels, replicates, ages)
        Margins added up, and customers seen, in each replicate.
    skew : float array (channels, 2, ages)
        Skewness of the mean margin at an age, and of the means added up to its end.
    pooled : float array (channels, 2, replicates, ages)
        t of as many customers drawn from those of all channels, of the same two, sorted.
    undated : int
        Customers left out because the day of their acquisition is unknown.
    shared : bool
        Whether a customer stands under several channels.
    ages : Ages
        What each customer was seen to do, from which all this comes.
    """

    channels: tuple[str, ...]
    period_days: int
    customers: np.ndarray
    won: np.ndarray
    seen: np.ndarray
    active: np.ndarray
    margin: np.ndarray
    sums: np.ndarray
    counts: np.ndarray
    skew: np.ndarray
    pooled: np.ndarray
    undated: int
    shared: bool
    ages: Ages

    @property
    def window(self) -> np.ndarray:
        """Ages, from 0 on, that at least 30 customers of a channel have completed: as far as anything is said."""
        enough = np.pad(self.seen >= FEWEST, ((0, 0), (0, 1)))  # an end for those that always had enough
        return np.asarray(np.argmin(enough, axis=1))

    @property
    def horizon(self) -> int:
        """Ages within the window of every channel that has one; 0 where none has."""
        window = self.window
        return int(window[window > 0].min()) if (window > 0).any() else 0

    def retention(self, *, level: float = 0.95) -> pd.DataFrame:
        """Active share by channel and age.

        Returns
        -------
        pandas.DataFrame, one row a channel and age that somebody completed
            channel, age (periods), customers (seen at that age), active, active_share (0-1), low, high (Wilson's
            interval, pointwise; missing below 30 customers).
        """
        import pandas as pd
        from statsmodels.stats.proportion import proportion_confint

        require_level(level)
        place, age = np.nonzero(self.seen)
        seen, active = self.seen[place, age], self.active[place, age]
        low, high = proportion_confint(active, seen, alpha=1 - level, method="wilson") if len(seen) else ([], [])
        enough = seen >= FEWEST
        return pd.DataFrame(
            {
                "channel": np.array(self.channels, dtype=object)[place],
                "age": age,
                "customers": seen,
                "active": active,
                "active_share": active / seen,
                "low": np.where(enough, low, np.nan),
                "high": np.where(enough, high, np.nan),
            }
        ).astype({"channel": "str"})

    def margins(self, *, discount_rate: float = 0.0, level: float = 0.95) -> pd.DataFrame:
        """Margin of a customer by channel and age, and added up from the acquisition on.

        Parameters
        ----------
        discount_rate : float
            A year, 0 or more; an age is discounted from its middle.

        Returns
        -------
        pandas.DataFrame, one row a channel and age of its `window`
            channel, age (periods), customers (seen at that age), margin, low, high, total (to that age's end),
            total_low, total_high (bootstrap over customers, corrected for skewness; where fewer than 100 customers
            are seen much of the correction comes from those of other channels, see docs/methods.md).
        """
        import pandas as pd

        require_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        parts = []
        for place, (name, size) in enumerate(zip(self.channels, self.window, strict=True)):
            drawn = self.draws(place, discount_rate=discount_rate)
            each = ratio(self.sums[place], self.counts[place])[:, :size]
            corrected = [part[place, 0][..., :size] for part in (self.skew, self.pooled)]
            by_age = np.quantile(unskewed(self.margin[place, :size], each, *corrected), ends, axis=0)
            total, added = self.totals(place, discount_rate=discount_rate)[:size], np.quantile(drawn, ends, axis=0)
            columns = {"channel": name, "age": np.arange(size), "customers": self.seen[place, :size]}
            columns |= {"margin": self.margin[place, :size], "low": by_age[0], "high": by_age[1]}
            parts.append(pd.DataFrame(columns | {"total": total, "total_low": added[0], "total_high": added[1]}))
        return pd.concat(parts, ignore_index=True).astype({"channel": "str"})

    def overall(self, ages: int, *, discount_rate: float = 0.0, level: float = 0.95) -> pd.Series:
        """Margin of a customer of any channel up to the end of so many ages: margin, low, high.

        Raises
        ------
        DataError
            Customers who stand under several channels.
        ParameterError
            Ages that fewer than 30 customers completed.
        """
        import pandas as pd

        require_level(level)
        if self.shared:
            raise DataError("customers stand under several channels and would count twice; give each customer one")
        seen = self.seen.sum(axis=0)
        most = int(np.argmin(np.append(seen >= FEWEST, False)))
        if isinstance(ages, bool) or not isinstance(ages, (int, np.integer)) or not 1 <= ages <= most:
            raise ParameterError(f"ages is {ages!r}; give 1 to {most}, the ages that at least 30 customers completed")
        factors = self._factors(discount_rate)[:ages]
        added = np.where(self.seen > 0, self.margin * self.seen, 0.0).sum(axis=0)
        drawn = ratio(self.sums.sum(axis=0), self.counts.sum(axis=0))[:, :ages] @ factors
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return pd.Series({"margin": float((added / seen.clip(1))[:ages] @ factors), "low": low, "high": high})

    def totals(self, place: int, *, discount_rate: float = 0.0) -> np.ndarray:
        """Margin of a customer up to the end of each age, of one channel."""
        return np.cumsum(self.margin[place] * self._factors(discount_rate))

    def draws(self, place: int, *, discount_rate: float = 0.0) -> np.ndarray:
        """The same in each replicate, corrected for skewness, within the channel's window: (replicates, ages)."""
        size = self.window[place]
        mean = (ratio(self.sums[place], self.counts[place]) * self._factors(discount_rate))[:, :size]
        total = self.totals(place, discount_rate=discount_rate)[:size]
        corrected = [part[place, 1][..., :size] for part in (self.skew, self.pooled)]
        return unskewed(total, np.cumsum(mean, axis=1), *corrected)

    def _factors(self, discount_rate: float) -> np.ndarray:
        if not (np.isfinite(discount_rate) and discount_rate >= 0):
            raise ParameterError(f"discount_rate is {discount_rate}; give a rate a year of 0 or more, such as 0.1")
        years = (np.arange(self.seen.shape[1]) + 0.5) * self.period_days / 365
        return np.asarray((1 + discount_rate) ** -years)


def channel_values(
    customers: Any,
    orders: Any,
    *,
    period_days: int = 30,
    since: Day = None,
    as_of: Day = None,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> ChannelValues:
    """Array: later activity and margin of customers by the channel that won them.

    Age k is days k · period_days to (k + 1) · period_days - 1 after the day of acquisition, the first order in
    age 0. A customer counts at an age only if the whole of it lies between `since` and `as_of`.

    Parameters
    ----------
    customers : any frame
        customer_id, channel, acquired_at; *all* who were won, those who never ordered too. A channel that is
        missing or blank is "(unknown)". Without acquired_at a customer has no age and is left out. A customer
        may stand under several channels, once each.
    orders : any frame
        customer_id, ordered_at, margin (see `order_margins`) [amount]. A negative amount is a return: money, but
        no activity. Orders without an instant or customer, and those of nobody in `customers`, are left out.
    period_days : int
        Length of an age, at least 1.
    since, as_of : date or ISO string, optional
        First and last day whose orders are all in `orders`; by default those of the first and last order.
    replicates : int
        Bootstrap samples of each channel's customers, at least 2.
    rng : numpy.random.Generator

    Returns
    -------
    ChannelValues

    Raises
    ------
    MissingColumnsError
    DataError
        A customer and channel that repeat, a margin that is missing, orders before the acquisition, no dated
        customers, no orders and no `since` and `as_of`.
    ParameterError
    """
    if isinstance(replicates, bool) or not isinstance(replicates, (int, np.integer)) or replicates < 2:
        raise ParameterError(f"replicates is {replicates!r}; give at least 2, better 1,000")
    ages = customer_ages(customers, orders, period_days=period_days, since=since, as_of=as_of)
    if not ages.channels:
        raise DataError("no customer has an acquired_at up to the last day; give the day on which each was won")
    rows = [ages.code == code for code in range(len(ages.channels))]
    seen, active = (np.stack([part[row].sum(axis=0) for row in rows]) for part in (ages.seen, ages.active))
    drawn = [resampled(ages, row, replicates, rng) for row in rows]
    sums, counts = (np.stack(part) for part in zip(*drawn, strict=True))
    skew = np.stack([skews(ages, row) for row in rows])
    total = np.stack([ages.margin[row].sum(axis=0) for row in rows])
    return ChannelValues(
        channels=ages.channels,
        period_days=int(period_days),
        customers=np.array([row.sum() for row in rows]),
        won=np.array([ages.new[row].sum() for row in rows]),
        seen=seen,
        active=active,
        margin=ratio(total, seen),
        sums=sums,
        counts=counts,
        skew=skew,
        pooled=studentised(ages, rows, replicates, rng),
        undated=ages.undated,
        shared=ages.shared,
        ages=ages,
    )
