r"""What the models of contracts share: customers who renew at the end of each period, or are seen to leave.

S(t) is the share that renews at least t times; a customer lost at the t-th renewal contributes S(t - 1) - S(t) to the
likelihood, one still there after t renewals S(t). That the survivors renew ever more surely needs no loyalty that
grows: those who leave easily have left ("the ruse of heterogeneity").
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.columns import numbers
from crmlib.errors import DataError
from crmlib.likelihood import LikelihoodModel, distinct_rows

if TYPE_CHECKING:
    from crmlib.models.renewals import ContractResults

Floats = NDArray[np.float64]


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
        t, gone = numbers(periods, "periods"), _flags(left)
        if t.shape != gone.shape or t.ndim != 1:
            raise DataError(f"periods have shape {t.shape}, left {gone.shape}; give one of each a customer")
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
        n = numbers(customers, "customers")
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
            odds = 1 / np.where(self.left, step, 1.0)
        for name in self.names:
            change = (earlier[name] - slopes[name]) * (1 + odds)
            slopes[name] = slopes[name] + np.where(self.left, change, 0.0)
        return value, slopes

    def _starts(self) -> Iterator[Sequence[float]]:
        lost = self.weights[self.left].sum()
        chances = (self.weights * self.periods).sum()
        share = float(np.clip(lost / chances, 0.01, 0.9))
        for size in (2.0, 0.5, 10.0):
            yield [size * share, size * (1 - share), *[1.0] * (len(self.names) - 2)]

    def _results(self, free: Floats, information: Floats) -> ContractResults:
        from crmlib.models.renewals import ContractResults

        return ContractResults(self, free, information)


def _flags(left: Any) -> Floats:
    """Whether each customer left, as 0 and 1.

    Raises
    ------
    DataError
    """
    try:
        gone = numbers(left, "left")
    except DataError as error:
        raise DataError("left must be true or false for every customer") from error
    if not np.all((gone == 0) | (gone == 1)):
        raise DataError("left must be true or false for every customer")
    return gone
