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

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.intervals import require_level
from crmlib.loyalty.joiners import imbalance, joining_cohorts
from crmlib.loyalty.neighbours import matched_effect
from crmlib.loyalty.programme import require_count
from crmlib.loyalty.weighting import weighted_effect

if TYPE_CHECKING:
    import pandas as pd


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
    cohorts, size, _ = joining_cohorts(panel, attributes, outcome, behaviour, horizon)
    rows = []
    for name, (effect, error, weights) in {
        "weighted": weighted_effect(cohorts, size),
        "matched": matched_effect(cohorts, neighbours),
    }.items():
        reach = norm.ppf(0.5 + level / 2) * error
        whole = np.sum([cohort.share * each for cohort, each in zip(cohorts, weights, strict=True)], axis=0)
        left = np.abs(imbalance(cohorts, weights)).max()
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
    cohorts, size, names = joining_cohorts(panel, attributes, behaviour[0], behaviour, horizon)
    equal = [np.full(len(cohort.x_controls), 1 / len(cohort.x_controls)) for cohort in cohorts]
    columns = {
        "unadjusted": equal,
        "weighted": weighted_effect(cohorts, size)[2],
        "matched": matched_effect(cohorts, neighbours)[2],
    }
    return pd.DataFrame({"covariate": names, **{name: imbalance(cohorts, each) for name, each in columns.items()}})
