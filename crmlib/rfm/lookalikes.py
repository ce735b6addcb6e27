r"""Look-alikes: which prospects resemble the best customers, by what is known before the first order.

A logistic model of being among the best on attributes,
:math:`\log \frac{P}{1 - P} = \beta_0 + \sum_j \beta_{j,\text{level}}`.
It finds resemblance, not causes: who is won for resembling the best need not become one.

References
----------
Hosmer, D. W., Lemeshow, S., & Sturdivant, R. X. (2013), Applied Logistic Regression, 3rd ed., Wiley.
Hanley, J. A., & McNeil, B. J. (1982), The meaning and use of the area under a ROC curve, Radiology 143, 29-36.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.intervals import bootstrap_interval, require_level
from crmlib.rfm.attributes import (
    attribute_table,
    best_flags,
    coarse_levels,
    design_matrix,
    frequent_levels,
    level_names,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class LookAlikes:
    """Fitted model of resemblance.

    Attributes
    ----------
    attributes : tuple of str
    levels : dict of attribute to its levels, the reference first
    coefficients : pandas.Series
        Log odds, "intercept" and "attribute: level".
    covariance : pandas.DataFrame
    customers, best : int
        How many it was fitted to, and how many of them are among the best.
    """

    attributes: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    coefficients: pd.Series
    covariance: pd.DataFrame
    customers: int
    best: int

    def probabilities(self, prospects: pd.DataFrame) -> np.ndarray:
        """Probability of each prospect to be among the best, were they a customer like those of the fit."""
        design = design_matrix(coarse_levels(prospects, self.levels), self.levels)
        return np.asarray(1 / (1 + np.exp(-(design.to_numpy() @ self.coefficients.to_numpy()))))

    def odds_ratios(self, level: float = 0.95) -> pd.DataFrame:
        """Odds against the reference level of each attribute: attribute, level, odds_ratio, low, high, reference."""
        import pandas as pd
        from scipy.stats import norm

        require_level(level)
        error = np.sqrt(np.diag(self.covariance)) * norm.ppf(0.5 + level / 2)
        rows = []
        for name, value, half in zip(self.coefficients.index[1:], self.coefficients.iloc[1:], error[1:], strict=True):
            attribute, own = name.split(": ", 1)
            ends = np.exp([value, value - half, value + half])
            rows.append((attribute, own, *ends, self.levels[attribute][0]))
        return pd.DataFrame(rows, columns=["attribute", "level", "odds_ratio", "low", "high", "reference"])


def best_customers(values: ArrayLike, share: float = 0.2) -> np.ndarray:
    """Array: whether each customer is among the part with the highest value; equal values are in or out together.

    As many as fit into the share; if the highest value is shared by more, all of them.

    Raises
    ------
    ParameterError, DataError
    """
    import pandas as pd

    if not 0 < share < 1:
        raise ParameterError(f"share is {share}; give the part that counts as best between 0 and 1, such as 0.2")
    value = pd.Series(numbers(values, "values"))
    if not len(value) or value.isna().any():
        raise DataError("values are missing; give one of each customer, at least one")
    rank = value.rank(method="max", ascending=False)
    return np.asarray((rank <= max(share * len(value), rank.min())).to_numpy())


def look_alikes(customers: pd.DataFrame, best: ArrayLike, *, attributes: Sequence[str], rarest: int = 10) -> LookAlikes:
    """Array: logistic model of being among the best customers, on their attributes.

    Parameters
    ----------
    customers : any frame with an order of rows
        The attributes, as text or categories: what is also known of prospects, nothing that buying made. A missing
        value is a level of its own, "not stated".
    best : array-like of bool, shape (n,)
        As `best_customers` gives it.
    attributes : sequence of str
    rarest : int
        Levels with fewer than so many of the best, or of the others, are joined to "other": their odds could not be
        told, or would be infinite.

    Returns
    -------
    LookAlikes
        An attribute with a single level left is dropped.

    Raises
    ------
    MissingColumnsError, DataError
        No attribute is left, or all or none are among the best.
    ConvergenceError
        The attributes tell the best apart without error.
    """
    import pandas as pd
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

    customers = attribute_table(customers, attributes)
    y = best_flags(best, len(customers))
    if not 0 < y.sum() < len(y):
        raise DataError(f"{int(y.sum())} of {len(customers)} customers are among the best; both kinds are needed")
    levels = {name: frequent_levels(level_names(customers[name]), y, rarest) for name in attributes}
    levels = {name: own for name, own in levels.items() if len(own) > 1}
    if not levels:
        raise DataError(f"no attribute has two levels with {rarest} of the best and of the others; take more customers")
    design = design_matrix(coarse_levels(customers, levels), levels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            warnings.simplefilter("error", PerfectSeparationWarning)
            fitted = Logit(y.astype(float), design).fit(disp=0, maxiter=100)
    except (ConvergenceWarning, PerfectSeparationWarning, np.linalg.LinAlgError) as error:
        raise ConvergenceError(
            "the attributes' effects cannot be told apart; take fewer attributes or levels"
        ) from error
    names = design.columns
    covariance = pd.DataFrame(np.asarray(fitted.cov_params()), names, names)
    return LookAlikes(
        tuple(levels), levels, pd.Series(np.asarray(fitted.params), names), covariance, len(y), int(y.sum())
    )


def held_out_probabilities(
    customers: pd.DataFrame,
    best: ArrayLike,
    *,
    attributes: Sequence[str],
    folds: int = 5,
    rarest: int = 10,
    rng: np.random.Generator,
) -> np.ndarray:
    """Array: each customer's probability to be among the best, by a model that never saw them.

    Customers are split at random into folds with equal parts of the best; each fold is scored by the model
    fitted to the others, levels joined anew.

    Parameters
    ----------
    customers, best, attributes, rarest
        As in `look_alikes`.
    folds : int
        At least 2.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (n,)

    Raises
    ------
    As `look_alikes`.
    """
    customers = attribute_table(customers, attributes)
    y = best_flags(best, len(customers))
    smaller = int(min(y.sum(), (~y).sum()))
    if not 2 <= folds <= max(smaller, 2):
        raise ParameterError(f"folds is {folds}; give 2 to {max(smaller, 2)}")
    fold = np.empty(len(y), dtype=np.int64)
    for kind in (True, False):
        own = rng.permutation(np.flatnonzero(y == kind))
        fold[own] = np.arange(len(own)) % folds
    score = np.empty(len(y))
    for number in range(folds):
        out = fold == number
        fitted = look_alikes(customers[~out], y[~out], attributes=attributes, rarest=rarest)
        score[out] = fitted.probabilities(customers[out])
    return score


def ranking_quality(
    score: ArrayLike, best: ArrayLike, *, level: float = 0.95, replicates: int = 1_000, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Array: probability that one of the best has a higher score than another customer (area under the ROC curve).

    Equal scores count half; 0.5 is chance. The interval is of a bootstrap over customers, the scores held as they are.

    Returns
    -------
    (estimate, low, high)
    """
    from scipy import sparse

    s, y = np.asarray(score, dtype=float), np.asarray(best, dtype=bool)
    if s.shape != y.shape or not 0 < y.sum() < len(y):
        raise DataError(f"{int(y.sum())} of {len(y)} customers are among the best; both kinds are needed")
    ranks = np.unique(s, return_inverse=True)[1].ravel()
    n = len(y)
    groups = sparse.csr_array((np.ones(n), (ranks, np.arange(n))), shape=(int(ranks.max()) + 1, n))
    good_of, rest_of = groups.multiply(y[None]).tocsr(), groups.multiply(~y[None]).tocsr()

    def area(weights: np.ndarray) -> np.ndarray:
        good, rest = good_of @ weights, rest_of @ weights
        below = np.cumsum(rest, axis=0) - rest / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return ((good * below).sum(axis=0) / (good.sum(axis=0) * rest.sum(axis=0)))[None]

    low, high = bootstrap_interval(area, len(y), level=level, replicates=replicates, rng=rng)
    return float(area(np.ones((len(y), 1)))[0, 0]), float(low[0]), float(high[0])
