"""What generated a simulated firm, and what it implies exactly: the yardstick for every estimate."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crmlib.data.synthetic.behaviour import Behaviour
from crmlib.data.synthetic.parameters import DAY, MONTH_DAYS
from crmlib.data.synthetic.serving import RATES, expected_contribution
from crmlib.errors import ParameterError
from crmlib.frames import as_date

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
_POACHED_LEAST, _POACHED_MORE, _POACHED_HALF = 0.02, 0.28, 30.0


class Truth(Behaviour):
    """What generated a simulated firm, customer by customer as in `Behaviour`, and what it implies.

    Margins, what a competitor would poach, and what the firm is without a channel, its programme or a referral.
    """

    __slots__ = ()

    @property
    def margin_per_order(self) -> Floats:
        """Expected amount of an order less cost of goods and avoidable cost, of each customer."""
        return expected_contribution(self.mean_spend, self.return_rate, self.service_rate)

    def expected_margin(
        self, start: datetime.date | str, end: datetime.date | str, *, allocated: bool = False
    ) -> Floats:
        """Margin expected of each customer from the begin of one day to the begin of another.

        Orders expected (`expected_orders`, and the first one) times `margin_per_order`, less the
        rewards; the cost of acquisition is not in it. Before acquisition it is 0.

        Parameters
        ----------
        start, end : datetime.date or str
            The end's own day is not included.
        allocated : bool
            Whether to subtract the allocated cost as well.

        Raises
        ------
        ParameterError
            No dates, or reversed.
        """
        begin, stop = (_instant(day) for day in (start, end))
        if stop < begin:
            raise ParameterError(f"the interval from {start} to {end} is reversed; give start ≤ end")
        acquired = self.acquired_at.astype(np.int64)
        low, high = (np.maximum(instant - acquired, 0) / DAY for instant in (begin, stop))
        number = self.expected_orders(low, high) + ((acquired >= begin) & (acquired < stop))
        rewarded = self.expected_orders(np.clip(self.joined_days, low, high), high)
        margin = number * self.margin_per_order - rewarded * self.mean_spend * self.reward_share
        if allocated:
            margin = margin - number * self.mean_spend * RATES["amount"] - (high - low) / MONTH_DAYS * RATES["months"]
        return np.asarray(margin)

    @property
    def poaching_probability(self) -> Floats:
        """Probability of a competitor to win each customer over within a year, rising with their value.

        :math:`.02 + .28 v / (v + 30)` with v the margin of a year's orders while active, in the
        currency, at least 0: competitors court whom it pays to win.
        """
        value = np.maximum(self.purchase_rate * 365 / 7 * self.margin_per_order, 0.0)
        return np.asarray(_POACHED_LEAST + _POACHED_MORE * value / (value + _POACHED_HALF))

    def channel_increments(self) -> pd.DataFrame:
        """What each channel adds, with all others as they are: the firm re-run without it, same prospects.

        See `crmlib.data.synthetic.counterfactuals.channel_increments`.
        """
        from crmlib.data.synthetic import counterfactuals

        return counterfactuals.channel_increments(self)

    def channel_holdout(
        self, channel: str, *, share: float = 0.5, regions: int = 0, rng: np.random.Generator | None = None
    ) -> pd.DataFrame:
        """Prospects of an experiment in which a channel is held out by lot, one by one or by whole regions.

        See `crmlib.data.synthetic.holdouts.channel_holdout`.
        """
        from crmlib.data.synthetic import holdouts

        return holdouts.channel_holdout(self, channel, share=share, regions=regions, rng=rng)

    def added_customers(self) -> pd.DataFrame:
        """Customers whom each channel adds: channel, customer_id, the rows behind `channel_increments`.

        See `crmlib.data.synthetic.counterfactuals.added_customers`.
        """
        from crmlib.data.synthetic import counterfactuals

        return counterfactuals.added_customers(self)

    def programme_effect(
        self,
        period: str = "month",
        horizon: int | None = None,
        *,
        per_days: float | None = MONTH_DAYS,
        by_cohort: bool = False,
    ) -> pd.DataFrame:
        """Programme's effect on the treated by event time: the firm against itself without the programme.

        See `crmlib.data.synthetic.counterfactuals.programme_effect`.
        """
        from crmlib.data.synthetic import counterfactuals

        return counterfactuals.programme_effect(self, period, horizon, per_days=per_days, by_cohort=by_cohort)

    def reproduction_number(self, days: float = np.inf, offered: bool | None = None) -> float:
        """Customers that one refers within so many days, see `crmlib.data.synthetic.referrals.reproduction_number`."""
        from crmlib.data.synthetic import referrals

        return referrals.reproduction_number(self, days, offered)

    def referral_effect(self, days: float, quiet_days: float = 90.0) -> pd.DataFrame:
        """What being referred changes, of each customer: see `crmlib.data.synthetic.referrals.referral_effect`."""
        from crmlib.data.synthetic import referrals

        return referrals.referral_effect(self, days, quiet_days)


def _instant(day: datetime.date | str) -> int:
    known = as_date(day, name="day")
    if known is None:
        raise ParameterError("a day is not set; give dates as YYYY-MM-DD")
    return int(np.datetime64(known, "us").astype(np.int64))
