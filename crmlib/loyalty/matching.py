r"""Members against non-members who look alike: weighting and matching on what was seen before joining.

Both replace the controls of each joining cohort g by controls who resemble it in the periods before g,
and then compare levels after joining. They take away what is seen of the difference between those who
join and those who do not; what is not seen stays in. Pre-period purchases are a noisy sign of the rate
behind them, so of two customers with the same past the one who joins is the heavier buyer all the same.

Weighting: the log odds of joining in g rather than never are linear in the covariates x, with an intercept
for each cohort and common slopes; each control stands in for cohort g with their odds,

.. math:: \hat\theta_g = \bar Y_g - \frac{\sum_c e^{x_{gc}'\hat\beta} Y_{gc}}{\sum_c e^{x_{gc}'\hat\beta}}.

Matching: each member against the controls nearest in the covariates, by Mahalanobis distance, with
replacement. The nearest to a heavy buyer are mostly lighter ones, so what they would have bought at the member's own
covariates is taken from the line through the matched controls (Abadie & Imbens 2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ConvergenceError, ParameterError
from crmlib.intervals import require_level
from crmlib.loyalty.cells import NEVER, Sample
from crmlib.loyalty.covariates import attribute_columns
from crmlib.loyalty.programme import require_count

if TYPE_CHECKING:
    import pandas as pd

_FLATTEST = 30.0  # log odds beyond which members and controls no longer overlap


@dataclass(frozen=True, eq=False)
class _Cohort:
    """One joining cohort against the controls: covariates before it joined, mean outcome after."""

    share: float
    x_members: np.ndarray
    x_controls: np.ndarray
    y_members: np.ndarray
    y_controls: np.ndarray
    rows: np.ndarray


def adjusted_comparisons(
    panel: Any,
    attributes: Any = None,
    *,
    outcome: str = "orders",
    behaviour: tuple[str, ...] = ("orders", "amount"),
    horizon: int | None = None,
    neighbours: int = 5,
    level: float = 0.95,
) -> pd.DataFrame:
    """Array: members against non-members made alike by weights, and by matching.

    Estimand as of `programme_effect`: the mean effect on those who joined, over their periods after
    joining. Assumes that whoever has the same covariates would have bought the same without the programme
    (no selection on what is not seen) and that for every member there are controls like them (overlap).
    The first cannot be tested, and with heavy buyers joining it fails: see the bias in `assumption_sweep`.
    Over 400 simulated firms in which anybody joins, the 95 % intervals for orders held the truth in 96 % by
    either method (Monte Carlo error 1 point); for amounts, whose tail is heavy, weighting in 95 % and matching in
    92 %: the nearest to a heavy spender still spend less. Where heavy buyers join, neither holds it.

    Parameters
    ----------
    panel, outcome, horizon, level
        As in `programme_effect`; who is compared and who is left out is the same.
    attributes : any frame, optional
        customer_id and columns to compare by that do not change: numbers, flags, or text (a category each).
        One row for every customer of the panel, nothing missing.
    behaviour : tuple of str
        Columns of the panel to compare by: the mean over the periods before joining, arcsinh of it (which is
        the logarithm for large values and has one at zero).
    neighbours : int
        Controls that each member is matched with, at least 1; controls exactly alike all count.

    Returns
    -------
    pandas.DataFrame, one row a method
        method ("weighted", "matched"), effect, standard_error, low, high, controls (effective number:
        (Σw)² / Σw² of the weights that a control gets over all cohorts), imbalance (largest standardised difference
        of a covariate that is left, in standard deviations of the members). The error of "weighted" is clustered by
        customer and holds that of the estimated odds; that of "matched" is Abadie and Imbens' (2006), with
        the controls that serve several cohorts taken together.

    Raises
    ------
    MissingColumnsError
    DataError
        As `programme_effect`; attributes that are missing or not one row a customer.
    ConvergenceError
        Members and controls do not overlap: a covariate separates them.
    ParameterError

    References
    ----------
    Rosenbaum, P. R., & Rubin, D. B. (1983), The central role of the propensity score, Biometrika 70, 41-55.
    Abadie, A., & Imbens, G. W. (2006), Large sample properties of matching estimators for average treatment
    effects, Econometrica 74, 235-267 (theorem 7, for the treated).
    Abadie, A., & Imbens, G. W. (2011), Bias-corrected matching estimators for average treatment effects, Journal
    of Business & Economic Statistics 29, 1-11.
    Lunceford, J. K., & Davidian, M. (2004), Stratification and weighting via the propensity score, Statistics in
    Medicine 23, 2937-2960 (standard errors with an estimated score).
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    require_count(horizon=horizon, neighbours=neighbours)
    cohorts, size, _ = _cohorts(panel, attributes, outcome, behaviour, horizon)
    rows = []
    for name, (effect, error, weights) in {
        "weighted": _weighted(cohorts, size),
        "matched": _matched(cohorts, neighbours),
    }.items():
        reach = norm.ppf(0.5 + level / 2) * error
        whole = np.sum([cohort.share * each for cohort, each in zip(cohorts, weights, strict=True)], axis=0)
        left = np.abs(_imbalance(cohorts, weights)).max()
        rows.append((name, effect, error, effect - reach, effect + reach, 1 / (whole @ whole), left))
    names = ["method", "effect", "standard_error", "low", "high", "controls", "imbalance"]
    return pd.DataFrame(rows, columns=names)


def covariate_balance(
    panel: Any,
    attributes: Any = None,
    *,
    behaviour: tuple[str, ...] = ("orders", "amount"),
    horizon: int | None = None,
    neighbours: int = 5,
) -> pd.DataFrame:
    """Array: how far members and controls differ before joining, as they are and made alike.

    Parameters and errors as in `adjusted_comparisons`.

    Returns
    -------
    pandas.DataFrame, one row a covariate
        covariate, unadjusted, weighted, matched: mean of the members minus that of the controls, in standard
        deviations of the members, over cohorts by their member-periods. Above about 0.1 is held for unlike.
    """
    import pandas as pd

    require_count(horizon=horizon, neighbours=neighbours)
    cohorts, size, names = _cohorts(panel, attributes, behaviour[0], behaviour, horizon)
    equal = [np.full(len(cohort.x_controls), 1 / len(cohort.x_controls)) for cohort in cohorts]
    columns = {
        "unadjusted": equal,
        "weighted": _weighted(cohorts, size)[2],
        "matched": _matched(cohorts, neighbours)[2],
    }
    return pd.DataFrame({"covariate": names, **{name: _imbalance(cohorts, each) for name, each in columns.items()}})


def _cohorts(
    panel: Any, attributes: Any, outcome: str, behaviour: tuple[str, ...], horizon: int | None
) -> tuple[list[_Cohort], int, list[str]]:
    """Each cohort beside the controls, the number of customers compared, and the covariates' names."""
    if not behaviour:
        raise ParameterError("behaviour names no column; give at least one, such as ('orders',)")
    sample = Sample.of(panel, (outcome, *behaviour))
    (values, *before), joined = sample.values, sample.joined
    fixed, more = attribute_columns(attributes, sample.customer_id)
    periods, controls = values.shape[1], np.flatnonzero(joined == NEVER)
    made, weights = [], []
    for cohort in sorted(set(joined.tolist()) - {NEVER}):
        after = slice(cohort + 1, min(periods, cohort + horizon + 1) if horizon else periods)
        x = np.column_stack([*(np.arcsinh(each[:, :cohort].mean(axis=1)) for each in before), fixed])
        y, own = values[:, after].mean(axis=1), np.flatnonzero(joined == cohort)
        weights.append(len(own) * (after.stop - after.start))
        made.append((x[own], x[controls], y[own], y[controls], np.concatenate([own, controls])))
    shares = np.array(weights) / sum(weights)
    cohorts = [_Cohort(share, *parts) for share, parts in zip(shares, made, strict=True)]
    return cohorts, len(joined), [*behaviour, *more]


def _weighted(cohorts: list[_Cohort], size: int) -> tuple[float, float, list[np.ndarray]]:
    """Effect, its standard error, and the weights of the controls in each cohort.

    The error is that of the influence of each customer: on the means of their cohorts, and through the
    estimated odds on the weights.
    """
    x = np.vstack([np.vstack([cohort.x_members, cohort.x_controls]) for cohort in cohorts])
    group = np.repeat(np.arange(len(cohorts)), [len(cohort.rows) for cohort in cohorts])
    joins = np.concatenate([np.arange(len(cohort.rows)) < len(cohort.x_members) for cohort in cohorts]).astype(float)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    design = np.column_stack([np.eye(len(cohorts))[group], x[:, spread > 0]])
    log_odds = _log_odds(joins, design)
    chance = 1 / (1 + np.exp(-log_odds))
    information = (design * (chance * (1 - chance))[:, None]).T @ design
    influence, slope, effect, weights = np.zeros(size), np.zeros(design.shape[1]), 0.0, []
    for number, cohort in enumerate(cohorts):
        members = len(cohort.y_members)
        rows = np.flatnonzero(group == number)[members:]
        weight = np.exp(log_odds[rows] - log_odds[rows].max())
        weight /= weight.sum()
        expected = weight @ cohort.y_controls
        rest = weight * (cohort.y_controls - expected)
        effect += cohort.share * (cohort.y_members.mean() - expected)
        slope += cohort.share * (rest @ design[rows])
        own = np.concatenate([(cohort.y_members - cohort.y_members.mean()) / members, -rest])
        np.add.at(influence, cohort.rows, cohort.share * own)
        weights.append(weight)
    scores = design * (joins - chance)[:, None] @ np.linalg.solve(information, slope)
    np.add.at(influence, np.concatenate([cohort.rows for cohort in cohorts]), -scores)
    return float(effect), float(np.sqrt(influence @ influence * size / (size - 1))), weights


def _log_odds(joins: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Fitted log odds of a logistic regression.

    Raises
    ------
    ConvergenceError
        They are not finite: a covariate separates members from controls.
    """
    import warnings

    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

    says = (
        "members and controls do not overlap: a covariate tells them apart, so nobody is like the members; "
        "compare by fewer attributes, or use the event study alone"
    )
    with warnings.catch_warnings():
        # What they warn of is an error here, with its remedy.
        for kind in (ConvergenceWarning, PerfectSeparationWarning, RuntimeWarning):
            warnings.simplefilter("error", kind)
        try:
            found = Logit(joins, design).fit(disp=0, maxiter=100)
        except (ConvergenceWarning, PerfectSeparationWarning, RuntimeWarning, np.linalg.LinAlgError) as error:
            raise ConvergenceError(says) from error
    fitted = design @ found.params
    if not np.all(np.abs(fitted) < _FLATTEST):
        raise ConvergenceError(says)
    return np.asarray(fitted)


def _matched(cohorts: list[_Cohort], neighbours: int) -> tuple[float, float, list[np.ndarray]]:
    """Effect, its standard error, and the weights of the controls in each cohort; see `_weighted`."""
    effect, treated, weights = 0.0, 0.0, []
    reused, spent = np.zeros(len(cohorts[0].y_controls)), np.zeros(len(cohorts[0].y_controls))
    for cohort in cohorts:
        members, near = len(cohort.y_members), _Neighbours.of(cohort)
        links = near.links(near.members, neighbours)
        expected = links @ near.mean_outcome
        used = np.asarray(links.sum(axis=0)).ravel()
        expected += (near.members - links @ near.points) @ near.slope(used)
        gain = cohort.y_members - expected
        effect += cohort.share * gain.mean()
        treated += (cohort.share / members) ** 2 * np.sum((gain - gain.mean()) ** 2)
        each = used / near.count
        # Of a control's uses only what links it to several members adds to the members' own variance.
        squared = np.asarray(links.power(2).sum(axis=0)).ravel() / near.count**2
        noise = near.noise(cohort.y_controls, neighbours)
        factor = cohort.share / members
        reused += factor * each[near.place] * noise
        spent += factor**2 * squared[near.place] * noise**2
        weights.append(each[near.place] / members)
    variance = treated + np.sum(np.maximum(reused**2 - spent, 0))
    return float(effect), float(np.sqrt(variance)), weights


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """Controls grouped by equal covariates, and who is near them, by Mahalanobis distance."""

    members: np.ndarray
    points: np.ndarray
    place: np.ndarray
    count: np.ndarray
    mean_outcome: np.ndarray

    @classmethod
    def of(cls, cohort: _Cohort) -> _Neighbours:
        both = np.vstack([cohort.x_members, cohort.x_controls])
        # Singular where covariates are constant or repeat one another: the pseudo-inverse leaves those out.
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(both, rowvar=False)))
        real = values > 1e-10 * max(values.max(), 1e-300)
        # Rounded, so that customers with equal covariates fall together whatever the order of sums.
        scaled = np.round((both - both.mean(axis=0)) @ (vectors[:, real] / np.sqrt(values[real])), 9)
        scaled = scaled if real.any() else np.zeros((len(both), 1))
        members, others = np.split(scaled, [len(cohort.x_members)])
        points, place, count = np.unique(others, axis=0, return_inverse=True, return_counts=True)
        place = place.ravel()
        return cls(members, points, place, count, np.bincount(place, cohort.y_controls) / count)

    def links(self, rows: np.ndarray, neighbours: int) -> Any:
        """Sparse matrix (rows, points) of weights that sum to 1: the nearest points that hold so many controls."""
        from scipy.sparse import csr_matrix
        from scipy.spatial import KDTree

        nearest = min(neighbours, len(self.points))
        _, found = KDTree(self.points).query(rows, k=np.arange(1, nearest + 1))
        held = self.count[found]
        before = held.cumsum(axis=1) - held
        taken = np.where(before < neighbours, held, 0).astype(float)
        taken /= taken.sum(axis=1, keepdims=True)
        ends = np.arange(len(rows) + 1) * nearest
        return csr_matrix((taken.ravel(), found.ravel(), ends), shape=(len(rows), len(self.points)))

    def slope(self, used: np.ndarray) -> np.ndarray:
        """Slopes of the outcome in the covariates, over the controls as they are used."""
        root = np.sqrt(used / used.sum())
        design = np.column_stack([np.ones(len(self.points)), self.points]) * root[:, None]
        return np.linalg.lstsq(design, self.mean_outcome * root)[0][1:]

    def noise(self, outcome: np.ndarray, neighbours: int) -> np.ndarray:
        """Each control's deviation from the controls near it, itself left out, scaled to the noise's variance."""
        links = self.links(self.points, neighbours + 1)
        near = links @ self.mean_outcome
        own = np.asarray(links[np.arange(len(self.points)), np.arange(len(self.points))]).ravel() / self.count
        # own is 1 / (number near, itself included); without itself the mean moves by own / (1 − own)
        part = own[self.place]
        rest = (near[self.place] - part * outcome) / np.maximum(1 - part, 1e-12)
        return np.where(part < 1, np.sqrt(1 - part) * (outcome - rest), 0.0)


def _imbalance(cohorts: list[_Cohort], weights: list[np.ndarray]) -> np.ndarray:
    """Standardised difference of each covariate, members minus weighted controls."""
    total, spread = 0.0, 0.0
    for cohort, weight in zip(cohorts, weights, strict=True):
        total = total + cohort.share * (cohort.x_members.mean(axis=0) - weight @ cohort.x_controls)
        spread = spread + cohort.share * cohort.x_members.var(axis=0, ddof=1)
    return np.divide(total, np.sqrt(spread), out=np.zeros_like(total), where=spread > 0)
