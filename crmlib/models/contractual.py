r"""What the models of contracts share: customers who renew at the end of each period, or are seen to leave.

S(t) is the share that renews at least t times; a customer lost at the t-th renewal contributes S(t - 1) - S(t) to the
likelihood, one still there after t renewals S(t). That the survivors renew ever more surely needs no loyalty that
grows: those who leave easily have left ("the ruse of heterogeneity").
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level
from crmlib.likelihood import LikelihoodModel, LikelihoodResults, distinct_rows

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Discounted terms below this part of a payment are left out.
_NEGLIGIBLE = 1e-12


class ContractModel(LikelihoodModel):
    """Model of the number of renewals, by maximum likelihood.

    Parameters
    ----------
    periods : array-like of whole numbers, shape (n,)
        For who left: at which renewal, 1 for the first. For the others: how many they have made.
    left : array-like of bool, shape (n,)
        Whether the customer left; the others are still there.
    weights : array-like, shape (n,), optional
        How many customers each entry stands for.

    Raises
    ------
    DataError
        Impossible periods; nobody left, or nobody stayed beyond the first renewal.
    """

    def __init__(self, periods: ArrayLike, left: ArrayLike, *, weights: ArrayLike | None = None) -> None:
        t, gone = np.atleast_1d(np.asarray(periods, dtype=float)), np.atleast_1d(np.asarray(left))
        if t.shape != gone.shape or t.ndim != 1:
            raise DataError(f"periods have shape {t.shape}, left {gone.shape}; give one of each a customer")
        if not set(np.unique(gone).tolist()) <= {0, 1}:
            raise DataError("left must be true or false for every customer")
        gone = gone.astype(float)
        if not (np.all(np.isfinite(t)) and np.all(t == np.floor(t)) and np.all(t >= gone)):
            raise DataError("periods must be whole: renewals made, at least 0, or at which one left, at least 1")
        rows = distinct_rows(t, gone, weights=weights)
        self.periods, self.left, self.weights = rows.columns[0], rows.columns[1] > 0, rows.weights
        if not self.weights[self.left].sum() > 0:
            raise DataError("nobody left, so leaving cannot be estimated; take more periods")
        if not self.weights[~self.left | (self.periods > 1)].sum() > 0:
            raise DataError("nobody renewed even once, so there is nothing to project; take shorter periods")
        if len(np.unique(self.periods)) < len(self.names):
            raise DataError(
                f"{len(np.unique(self.periods))} renewals for {len(self.names)} parameters; take more periods"
            )

    @classmethod
    def from_survivors(cls, customers: ArrayLike) -> Self:
        """Model of one cohort from the numbers of its customers still there.

        Parameters
        ----------
        customers : array-like of counts
            At the start, after one renewal, after two, …: must not rise.

        Examples
        --------
        >>> from crmlib.models import ShiftedBetaGeometric
        >>> ShiftedBetaGeometric.from_survivors([1000, 631, 468, 382, 326]).fit().params.round(3)
        alpha    0.764
        beta     1.296
        dtype: float64
        """
        n = np.asarray(customers, dtype=float)
        if n.ndim != 1 or len(n) < 2 or not np.all(np.isfinite(n)) or np.any(np.diff(n) > 0) or np.any(n < 0):
            raise DataError(
                "customers must be at least two numbers that do not rise: who is there after 0, 1, 2… renewals"
            )
        t = np.arange(1, len(n))
        return cls([*t, t[-1]], [True] * len(t) + [False], weights=[*-np.diff(n), n[-1]])

    @abstractmethod
    def _survival(self, theta: Mapping[str, Any], t: Floats) -> tuple[Floats, dict[str, Floats]]:
        """Logarithm of S(t), and its derivatives by the logarithm of each parameter."""

    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        now, slopes = self._survival(theta, self.periods)
        before, earlier = self._survival(theta, np.where(self.left, self.periods - 1, self.periods))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.expm1(before - now)  # odds of leaving at t against staying
            value = np.where(self.left, now + np.log(step), now)
        for name in self.names:
            change = (earlier[name] - slopes[name]) * (1 + 1 / np.where(self.left, step, 1.0))
            slopes[name] = slopes[name] + np.where(self.left, change, 0.0)
        return value, slopes

    def _starts(self) -> Iterator[Sequence[float]]:
        lost = self.weights[self.left].sum()
        chances = (self.weights * self.periods).sum()
        share = float(np.clip(lost / chances, 0.01, 0.9))
        for size in (2.0, 0.5, 10.0):
            yield [size * share, size * (1 - share), *[1.0] * (len(self.names) - 2)]

    def _results(self, free: Floats, information: Floats) -> ContractResults:
        return ContractResults(self, free, information)


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
        t = _renewals(periods, since)
        share = self._share(t, since)
        points = rng.multivariate_normal(self.free, self.free_cov, draws, method="eigh")
        counts = np.stack([rng.binomial(customers, np.clip(share(point), 0, 1)) for point in points])
        low, high = np.quantile(counts, [(1 - level) / 2, (1 + level) / 2], axis=0)
        table = {"periods": t.astype(int), "expected": customers * share(self.free), "low": low, "high": high}
        return pd.DataFrame(table)

    def residual_lifetime(self, rate: float, renewals: ArrayLike = 0) -> Any:
        """Discounted expected residual lifetime (DERL) just before the next renewal, that payment undiscounted.

        Sum over further renewals j = 0, 1, … of the chance to make them, each over (1 + rate)^j. Times the payment of
        a period it is the value still to come of a customer who has made `renewals` so far (is in period
        renewals + 1).

        Parameters
        ----------
        rate : float
            Discount between two renewals, above 0.
        renewals : int or array
            How many the customer has made.

        References
        ----------
        Fader, P. S., & Hardie, B. G. S. (2010), Customer-base valuation in a contractual setting: the perils of
        ignoring heterogeneity, Marketing Science 29, 85-93.
        """
        return _shaped(self._residual(rate, renewals)(self.free), renewals)

    def residual_lifetime_interval(self, rate: float, renewals: ArrayLike = 0, *, level: float = 0.95) -> pd.DataFrame:
        """Delta-method interval of `residual_lifetime`: renewals, expected, low, high."""
        table = self.expectation_table(self._residual(rate, renewals), level)
        table.insert(0, "renewals", _renewals(renewals).astype(int))
        return table

    def _survival(self, t: Floats) -> Callable[[Floats], Floats]:
        return lambda free: np.exp(self.model._survival(self.model.theta(free), t)[0])

    def _share(self, t: Floats, since: int) -> Callable[[Floats], Floats]:
        start = np.array([float(since)])

        def value(free: Floats) -> Floats:
            theta = self.model.theta(free)
            return np.exp(self.model._survival(theta, t)[0] - self.model._survival(theta, start)[0])

        return value

    def _residual(self, rate: float, renewals: ArrayLike) -> Callable[[Floats], Floats]:
        if not rate > 0:
            raise ParameterError(f"the discount rate is {rate}; give one above 0, between two renewals")
        n = _renewals(renewals)
        ahead = np.arange(min(int(np.ceil(-np.log(_NEGLIGIBLE * rate) / np.log1p(rate))) + 1, 2_000_000))
        discount = np.exp(-np.log1p(rate) * ahead)

        def value(free: Floats) -> Floats:
            theta = self.model.theta(free)
            made = self.model._survival(theta, n)[0]
            return np.array(
                [
                    discount @ np.exp(self.model._survival(theta, count + 1 + ahead)[0] - log)
                    for count, log in zip(n, made, strict=True)
                ]
            )

        return value


def _renewals(periods: ArrayLike, since: int = 0) -> Floats:
    t = np.atleast_1d(np.asarray(periods, dtype=float))
    if not (np.all(np.isfinite(t)) and np.all(t == np.floor(t)) and np.all(t >= since) and since >= 0):
        raise ParameterError(f"periods are {periods!r}; give whole numbers of renewals, at least {max(since, 0)}")
    return t


def _shaped(values: Floats, like: ArrayLike) -> Any:
    return values if np.ndim(like) else float(values[0])
