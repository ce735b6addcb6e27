"""Controls weighted by their odds of joining, with the error of estimated odds: see `crmlib.loyalty.matching`."""

from __future__ import annotations

import numpy as np

from crmlib.errors import ConvergenceError
from crmlib.loyalty.joiners import Cohort

_FLATTEST = 30.0  # log odds beyond which members and controls no longer overlap


def weighted_effect(cohorts: list[Cohort], size: int) -> tuple[float, float, list[np.ndarray]]:
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
