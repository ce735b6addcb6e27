"""What a fitted model of renewals says about customers under contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import ParameterError
from crmlib.intervals import require_level
from crmlib.likelihood import LikelihoodResults
from crmlib.options import generator, number, several, whole

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models.contractual import ContractModel

Floats = NDArray[np.float64]

#: Discounted terms below this part of a payment are left out.
_NEGLIGIBLE = 1e-12


class ContractResults(LikelihoodResults):
    """Fitted model of renewals."""

    model: ContractModel

    def survival(self, periods: ArrayLike) -> Any:
        """Share that renews at least so many times, S(t); of the shape of periods."""
        return _shaped(self._survival(_renewals(periods))(self.free), periods)

    def retention_rate(self, periods: ArrayLike) -> Any:
        """Share of those still there who renew the t-th time, S(t) / S(t - 1), t from 1 on."""
        t = _renewals(periods)
        if np.any(t < 1):
            raise ParameterError("renewals are numbered from 1 on")
        return _shaped(self._survival(t)(self.free) / self._survival(t - 1)(self.free), periods)

    def survival_interval(self, periods: ArrayLike, *, since: int = 0, level: float = 0.95) -> pd.DataFrame:
        """How well the survival curve is known: delta-method intervals on the logit scale.

        Parameters
        ----------
        periods : array-like of whole numbers
        since : int
            Renewals already made: the share of those who renew up to the t-th time.
        level : float

        Returns
        -------
        pandas.DataFrame
            periods, survival, low, high (0-1).
        """
        import pandas as pd
        from scipy.special import expit, logit
        from scipy.stats import norm

        require_level(level)
        t = _renewals(periods, since)
        share = self._share(t, since)
        expected = share(self.free)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = self.delta_errors(share) / (expected * (1 - expected))
        step = norm.ppf(0.5 + level / 2) * np.where((expected > 0) & (expected < 1), error, 0.0)
        low, high = expit(logit(expected) - step), expit(logit(expected) + step)
        return pd.DataFrame({"periods": t.astype(int), "survival": expected, "low": low, "high": high})

    def prediction_interval(
        self,
        periods: ArrayLike,
        customers: int,
        *,
        since: int = 0,
        level: float = 0.95,
        draws: int = 4_000,
        rng: np.random.Generator,
    ) -> pd.DataFrame:
        """How many of a number of customers will be there: parameters and chance both vary.

        Parameters are drawn from their approximate normal distribution on the log scale, then the number of
        survivors from a binomial distribution.

        Parameters
        ----------
        periods : array-like of whole numbers
            Renewals in all.
        customers : int
            Number of customers who have made `since` renewals.
        since, level
        draws : int
        rng : numpy.random.Generator

        Returns
        -------
        pandas.DataFrame
            periods, expected, low, high (customers).
        """
        import pandas as pd

        require_level(level)
        t, customers = _renewals(periods, since), whole(customers, "customers", most=2**60)
        share, rng = self._share(t, since), generator(rng)
        points = rng.multivariate_normal(self.free, self.free_cov, draws, method="eigh")
        counts = np.stack([rng.binomial(customers, np.clip(share(point), 0, 1)) for point in points])
        low, high = np.quantile(counts, [(1 - level) / 2, (1 + level) / 2], axis=0)
        table = {"periods": t.astype(int), "expected": customers * share(self.free), "low": low, "high": high}
        return pd.DataFrame(table)

    def residual_lifetime(self, rate: float, renewals: ArrayLike = 0, *, horizon: float = np.inf) -> Any:
        """Discounted expected residual lifetime (DERL) just before the next renewal, that payment undiscounted.

        Sum over further renewals j = 0, 1, … of the chance to make them, each over (1 + rate)^j. Times the payment of
        a period it is the value still to come of a customer who has made `renewals` so far (is in period
        renewals + 1).

        Parameters
        ----------
        rate : float
            Discount between two renewals, above 0; 0 with a horizon.
        renewals : int or array
            How many the customer has made.
        horizon : float
            How many further renewals to count; for ever by default.

        References
        ----------
        Fader, P. S., & Hardie, B. G. S. (2010), Customer-base valuation in a contractual setting: the perils of
        ignoring heterogeneity, Marketing Science 29, 85-93.
        """
        return _shaped(self.residual(rate, renewals, horizon)(self.free), renewals)

    def residual_lifetime_interval(
        self, rate: float, renewals: ArrayLike = 0, *, horizon: float = np.inf, level: float = 0.95
    ) -> pd.DataFrame:
        """Delta-method interval of `residual_lifetime`: renewals, expected, low, high."""
        table = self.expectation_table(self.residual(rate, renewals, horizon), level)
        table.insert(0, "renewals", _renewals(renewals).astype(int))
        return table

    def expected_renewals(self, periods: int, renewals: ArrayLike = 0) -> Any:
        """How many of the next so many renewals a customer is expected to make who has made `renewals`."""
        return _shaped(self._further(periods, renewals)(self.free), renewals)

    def expected_renewals_interval(self, periods: int, renewals: ArrayLike = 0, *, level: float = 0.95) -> pd.DataFrame:
        """Delta-method interval of `expected_renewals`, how well the mean is known: renewals, expected, low, high."""
        table = self.expectation_table(self._further(periods, renewals), level)
        table.insert(0, "renewals", _renewals(renewals).astype(int))
        return table

    def renewal_interval(self, periods: int, renewals: ArrayLike = 0, *, level: float = 0.95) -> pd.DataFrame:
        """How many of the next so many renewals one customer may make: exact quantiles at the estimated parameters.

        Returns
        -------
        pandas.DataFrame, one row a value of renewals
            renewals, expected, low, high (whole numbers up to `periods`; they hold at least the level).
        """
        import pandas as pd

        require_level(level)
        n, h, tail = _renewals(renewals), _ahead(periods), (1 - level) / 2
        chance = self._made(n, np.arange(1, h + 1))(self.free)  # to make at least so many
        table = {"renewals": n.astype(int), "expected": chance.sum(axis=1)}
        table |= {"low": (chance > 1 - tail).sum(axis=1), "high": (chance > tail).sum(axis=1)}
        return pd.DataFrame(table)

    def chances(self, renewals: ArrayLike, further: ArrayLike) -> Floats:
        """Chance of customers to make at least so many further renewals, shape (renewals, further)."""
        return self._made(_renewals(renewals), _renewals(further).astype(int))(self.free)

    def _made(self, n: Floats, further: NDArray[np.int64]) -> Callable[[Floats], Floats]:
        """Chance of customers with n renewals to make at least so many further ones, shape (n, further)."""

        def value(free: Floats) -> Floats:
            theta = self.model.theta(free)
            after = self.model._survival(theta, (n[:, None] + further).ravel())[0].reshape(len(n), -1)
            return np.asarray(np.exp(after - self.model._survival(theta, n)[0][:, None]))

        return value

    def _further(self, periods: int, renewals: ArrayLike) -> Callable[[Floats], Floats]:
        made = self._made(_renewals(renewals), np.arange(1, _ahead(periods) + 1))
        return lambda free: made(free).sum(axis=1)

    def _survival(self, t: Floats) -> Callable[[Floats], Floats]:
        return lambda free: np.exp(self.model._survival(self.model.theta(free), t)[0])

    def _share(self, t: Floats, since: int) -> Callable[[Floats], Floats]:
        start = np.array([float(since)])

        def value(free: Floats) -> Floats:
            theta = self.model.theta(free)
            return np.exp(self.model._survival(theta, t)[0] - self.model._survival(theta, start)[0])

        return value

    def residual(self, rate: float, renewals: ArrayLike, horizon: float) -> Callable[[Floats], Floats]:
        """`residual_lifetime` as a function of the free-scale parameters, for the delta method."""
        n = _renewals(renewals)
        discount = discounts(rate, horizon)
        ahead = np.arange(1, len(discount) + 1)

        def value(free: Floats) -> Floats:
            # one at a time: a row of terms may be long
            return np.array([self._made(n[i : i + 1], ahead)(free)[0] @ discount for i in range(len(n))])

        return value


def discounts(rate: float, horizon: float) -> Floats:
    """What a payment at the next renewal, at the one after, … is worth just before the next.

    Raises
    ------
    ParameterError
    """
    rate, horizon = number(rate, "rate"), number(horizon, "horizon")
    if not horizon >= 1:
        raise ParameterError(f"horizon is {horizon:g}; give at least 1 renewal")
    if not (rate > 0 or (rate == 0 and np.isfinite(horizon))) or not np.isfinite(rate):
        raise ParameterError(
            f"the discount rate is {rate:g}; give one above 0, between two renewals, or 0 and a horizon"
        )
    terms = np.ceil(-np.log(_NEGLIGIBLE * rate) / np.log1p(rate)) + 1 if rate > 0 else np.inf
    return np.asarray(np.exp(-np.log1p(rate) * np.arange(int(min(np.floor(horizon), terms, 2_000_000)))))


def _renewals(periods: ArrayLike, since: int = 0) -> Floats:
    t, since = np.atleast_1d(several(periods, "periods")), whole(since, "since")
    if not (np.all(np.isfinite(t)) and np.all(t == np.floor(t)) and np.all(t >= since)):
        raise ParameterError(f"periods are {periods!r}; give whole numbers of renewals, at least {max(since, 0)}")
    return t


def _ahead(periods: int) -> int:
    return whole(periods, "periods", least=1, most=100_000)


def _shaped(values: Floats, like: ArrayLike) -> Any:
    return values if np.ndim(like) else float(values[0])
