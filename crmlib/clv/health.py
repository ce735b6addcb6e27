"""The health card of a fit: what was checked, what came out, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crmlib.clv.evaluation import frequency_table, holdout_calibration, holdout_evaluation
from crmlib.errors import DataError
from crmlib.likelihood.results import VAGUE

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import GammaGammaResults, TransactionResults

#: Fewer customers who came back than this, and a fit says little.
REPEAT_BUYERS = 100
#: Largest part of customers whom the model may put at a wrong number of purchases.
MISPLACED = 0.05
#: Largest error of the hold-out's total.
TOTAL_ERROR = 0.15
#: Largest weighted mean error over groups of a calibration, as a part of the mean.
GROUP_ERROR = 0.25
#: Largest correlation between number and value of orders.
DEPENDENCE = 0.3


class Check(NamedTuple):
    """One line of the card; `advice` is empty for a pass."""

    check: str
    passed: bool
    value: float
    detail: str
    advice: str


def health_card(
    results: TransactionResults, *, spend: GammaGammaResults | None = None, holdout: Any = None
) -> pd.DataFrame:
    """Array: checks of a fit, each pass or warn, with what to do.

    Parameters
    ----------
    results : TransactionResults
        Fitted model of repeat purchases.
    spend : GammaGammaResults, optional
        Adds the checks of the spend model.
    holdout : frame, optional
        As `rfm.holdout_history` gives it: adds the checks on a hold-out.

    Returns
    -------
    pandas.DataFrame, one row a check
        check, status ("pass" or "warn"), value (what was measured), detail (a sentence), advice ("" for a pass).

        - convergence: log-likelihood that a further step would gain, below 0.001;
        - repeat buyers: at least 100 customers came back;
        - parameters at a boundary: none, and every standard error of a logarithm at most 1;
        - number of purchases: at most 5 % of customers at a wrong frequency (not with covariates);
        - hold-out total within 15 %; hold-out against naive: distinctly less squared error than every naive rule;
        - calibration by frequency, by recency: mean error over groups at most 25 % of the mean;
        - spend independent of frequency: correlation at most 0.3 either way; mean spend exists: q above 1, and 2 for
          a variance.
    """
    import pandas as pd

    checks = list(_of_fit(results))
    if holdout is not None:
        checks += _of_holdout(results, holdout)
    if spend is not None:
        checks += _of_spend(spend)
    table = pd.DataFrame(checks)
    status = np.where(table["passed"], "pass", "warn")
    table["advice"] = table["advice"].where(~table["passed"].astype(bool), "")
    table = table.assign(status=status)
    return table[["check", "status", "value", "detail", "advice"]]


def _of_fit(results: TransactionResults) -> Iterator[Check]:
    model = results.model
    score = model.totals(results.free)[1]
    gain = float(score @ results.free_cov @ score / 2)
    yield Check(
        "convergence",
        gain < 1e-3,
        gain,
        f"a further step would gain {gain:.1g} of log-likelihood",
        "fit more customers or a longer period; compare another model",
    )
    again = float(model.weights @ (model.histories.x > 0))
    yield Check(
        "repeat buyers",
        again >= REPEAT_BUYERS,
        again,
        f"{again:,.0f} of {results.nobs:,.0f} customers came back",
        f"take a longer period or more customers, until at least {REPEAT_BUYERS} came back",
    )
    error = np.sqrt(np.diag(results.free_cov))[: len(model.names)]
    vague = [name for name, e in zip(model.names, error, strict=True) if e > VAGUE or name in results.boundary]
    yield Check(
        "parameters at a boundary",
        not vague,
        float(len(vague)),
        f"{', '.join(vague)} hardly known" if vague else "all parameters are well inside",
        "read profile intervals (conf_int does); the data may not show leaving: compare NBD, or take a longer period",
    )
    if not model.effects:
        table = frequency_table(results)
        made, expected = table["actual"].to_numpy(float), table["expected"].to_numpy(float)
        wrong = float(np.abs(made - expected).sum() / 2 / made.sum())
        yield Check(
            "number of purchases",
            wrong <= MISPLACED,
            wrong,
            f"{100 * wrong:.1f} % of customers at another number of purchases than the model expects",
            "look at frequency_table; fit cohorts or kinds of customers apart, or another model",
        )


def _of_holdout(results: TransactionResults, holdout: Any) -> Iterator[Check]:
    model, *rules = holdout_evaluation(results, holdout).to_dict("records")
    predicted, actual, error = (float(model[name]) for name in ("predicted", "actual", "total_error"))
    if not actual > 0:
        raise DataError("nobody bought in the hold-out, so nothing can be judged by it; take a longer one")
    yield Check(
        "hold-out total",
        abs(error) <= TOTAL_ERROR,
        error,
        f"{predicted:,.0f} purchases predicted, {actual:,.0f} made ({100 * error:+.1f} %)",
        "demand may have moved: look at cumulative_purchases for a season or a trend, and scale the total",
    )
    hardest = min(rules, key=lambda rule: float(rule["more_error"]))
    worst, least = str(hardest["rule"]), float(hardest["more_error"])
    clear = all(rule["more_error"] > 0 and rule["p_value"] < 0.05 for rule in rules)
    yield Check(
        "hold-out against naive",
        clear,
        least,
        f"the squared error of {worst!r} is {abs(least):.3f} {'above' if least > 0 else 'below'} the model's",
        f"for ranking or totals the rule {worst!r} may do as well; use the model where its own questions count",
    )
    for by in ("frequency", "recency"):
        groups = holdout_calibration(results, holdout, by=by)
        weight, expected, actual_mean = (groups[name].to_numpy(float) for name in ("customers", "expected", "actual"))
        miss = float(weight @ np.abs(expected - actual_mean) / (weight @ actual_mean))
        yield Check(
            f"calibration by {by}",
            miss <= GROUP_ERROR,
            miss,
            f"groups by {by} are off by {100 * miss:.0f} % of the mean",
            "look at holdout_calibration; fit kinds of customers apart, add covariates or another model",
        )


def _of_spend(spend: GammaGammaResults) -> Iterator[Check]:
    model = spend.model
    weights, x, z = model.weights, model.x, model.z
    value = weighted_correlation(x, z, weights)
    yield Check(
        "spend independent of frequency",
        not abs(value) > DEPENDENCE,
        value,
        f"correlation of number and mean value of orders {value:+.3f}",
        "value frequent and rare buyers with spend models of their own",
    )
    q = float(spend.params["q"])
    yield Check(
        "mean spend exists",
        q > 2,
        q,
        f"q is {q:.2f}; the mean needs more than 1, its variance more than 2",
        "leave out extreme orders, or value customers by their own mean",
    )


def weighted_correlation(a: Any, b: Any, weights: Any) -> float:
    """Pearson correlation of two columns with weights; NaN where one is constant."""
    a, b, w = (np.asarray(values, dtype=float) for values in (a, b, weights))
    a, b = a - np.average(a, weights=w), b - np.average(b, weights=w)
    spread = np.sqrt((w @ a**2) * (w @ b**2))
    return float((w @ (a * b)) / spread) if spread > 0 else float(np.nan)
