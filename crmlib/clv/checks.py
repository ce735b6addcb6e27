"""The checks of a health card, one or more of each part of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crmlib.clv.evaluation import holdout_calibration, holdout_evaluation, prediction_coverage
from crmlib.clv.frequencies import frequency_table, renewal_table
from crmlib.clv.spending import spend_evaluation, spend_slope
from crmlib.errors import DataError
from crmlib.likelihood.results import VAGUE
from crmlib.models import ContractResults

if TYPE_CHECKING:
    from crmlib.models import GammaGammaResults, TransactionResults

#: Fewer customers who came back than this, and a fit says little; for contracts, who renewed, and who left.
REPEAT_BUYERS = 100
#: Largest part of customers whom the model may put at a wrong number of purchases, or renewal.
MISPLACED = 0.05
#: Largest error of the hold-out's total.
TOTAL_ERROR = 0.15
#: Largest weighted mean error over groups of a calibration, as a part of the mean.
GROUP_ERROR = 0.25
#: By how much less than they promise prediction intervals may hold, beyond chance.
SHORTFALL = 0.01
#: Largest correlation between number and value of orders.
DEPENDENCE = 0.3
#: Largest certain change of the mean order value with each doubling of the number of orders, as a part of it.
SLOPE = 0.1


class Check(NamedTuple):
    """One line of the card; `advice` is what to do about a warning."""

    check: str
    passed: bool
    value: float
    detail: str
    advice: str


def of_fit(results: Any) -> Iterator[Check]:
    """Search, size, boundary."""
    contract = isinstance(results, ContractResults)
    yield _searched(results)
    yield from _of_renewals(results) if contract else _of_purchases(results)
    simpler = "ShiftedBetaGeometric" if contract else "NBD"
    yield _inside(results, f"the data may not show leaving: compare {simpler}, or take a longer period")


def _searched(results: Any, of: str = "") -> Check:
    score = results.model.totals(results.free)[1]
    gain = float(score @ results.free_cov @ score / 2)
    return Check(
        f"convergence{of}",
        gain < 1e-3,
        gain if gain >= 1e-9 else 0.0,
        # rounding beyond: other numbers on every machine
        f"a further step would gain {'less than 1e-09' if gain < 1e-9 else f'{gain:.1g}'} of log-likelihood",
        "fit more customers or a longer period; compare another model",
    )


def _inside(results: Any, advice: str, of: str = "") -> Check:
    names = results.model.names
    error = np.sqrt(np.diag(results.free_cov))[: len(names)]
    vague = [name for name, e in zip(names, error, strict=True) if e > VAGUE or name in results.boundary]
    return Check(
        f"{of}parameters at a boundary",
        not vague,
        float(len(vague)),
        f"{', '.join(vague)} hardly known" if vague else "all parameters are well inside",
        f"read profile intervals (conf_int does); {advice}",
    )


def _of_purchases(results: TransactionResults) -> Iterator[Check]:
    model = results.model
    again = float(model.weights @ (model.histories.x > 0))
    yield Check(
        "repeat buyers",
        again >= REPEAT_BUYERS,
        again,
        f"{again:,.0f} of {results.nobs:,.0f} customers came back",
        f"take a longer period or more customers, until at least {REPEAT_BUYERS} came back",
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


def _of_renewals(results: ContractResults) -> Iterator[Check]:
    model = results.model
    gone = float(model.weights[model.left].sum())
    stayed = float(model.weights[~model.left | (model.periods > 1)].sum())
    yield Check(
        "leavers and stayers",
        min(gone, stayed) >= REPEAT_BUYERS,
        min(gone, stayed),
        f"{gone:,.0f} customers left, {stayed:,.0f} renewed or are still there",
        f"take more customers or renewals, until at least {REPEAT_BUYERS} left and as many renewed",
    )
    table = renewal_table(results)
    wrong = float((table["left"] - table["expected_left"]).abs().sum() / 2 / results.nobs)
    yield Check(
        "number of renewals",
        wrong <= MISPLACED,
        wrong,
        f"{100 * wrong:.1f} % of customers left at another renewal than the model expects",
        "look at renewal_table; fit cohorts or kinds of customers apart, or BetaDiscreteWeibull",
    )


def of_holdout(results: Any, holdout: Any) -> Iterator[Check]:
    """Total, naive rules, intervals, calibration."""
    contract = isinstance(results, ContractResults)
    what = "renewals" if contract else "purchases"
    model, *rules = holdout_evaluation(results, holdout).to_dict("records")
    predicted, actual, error = (float(model[name]) for name in ("predicted", "actual", "total_error"))
    if not actual > 0:
        raise DataError(f"no {what} were made in the hold-out, so nothing can be judged by it; take a longer one")
    look = "renewal_table" if contract else "cumulative_purchases for a season or a trend"
    yield Check(
        "hold-out total",
        abs(error) <= TOTAL_ERROR,
        error,
        f"{predicted:,.0f} {what} predicted, {actual:,.0f} made ({100 * error:+.1f} %)",
        f"demand may have moved: look at {look}, and scale the total",
    )
    hardest = min(rules, key=lambda rule: float(rule["more_error"]))
    worst, least = str(hardest["rule"]), float(hardest["more_error"])
    yield Check(
        "hold-out against naive",
        all(rule["more_error"] > 0 and rule["p_value"] < 0.05 for rule in rules),
        least,
        f"the squared error of {worst!r} is {abs(least):.3f} {'above' if least > 0 else 'below'} the model's",
        f"for ranking or totals the rule {worst!r} may do as well; use the model where its own questions count",
    )
    held = prediction_coverage(results, holdout)
    short = 0.95 - float(held["inside"])
    yield Check(
        "prediction intervals",
        short <= SHORTFALL + 2 * float(held["error"]),
        float(held["inside"]),
        f"{100 * held['inside']:.1f} % of customers inside their 95 % interval, {100 * held['above']:.1f} % above and "
        f"{100 * held['below']:.1f} % below",
        "show customers no interval as it is: demand moved, or they differ more than the model knows; fit kinds of "
        "customers apart, or add covariates",
    )
    for by in ("frequency",) if contract else ("frequency", "recency"):
        yield _calibrated(results, holdout, by)


def _calibrated(results: Any, holdout: Any, by: str) -> Check:
    groups = holdout_calibration(results, holdout, by=by)
    weight, expected, actual = (groups[name].to_numpy(float) for name in ("customers", "expected", "actual"))
    miss = float(weight @ np.abs(expected - actual) / (weight @ actual))
    return Check(
        f"calibration by {by}",
        miss <= GROUP_ERROR,
        miss,
        f"groups by {by} are off by {100 * miss:.0f} % of the mean",
        "look at holdout_calibration; fit kinds of customers apart, add covariates or another model",
    )


def of_spend(spend: GammaGammaResults) -> Iterator[Check]:
    """Independence of frequency, and whether the mean exists."""
    yield _searched(spend, " of the spend model")
    yield _inside(spend, "spend may not differ between customers: value all orders alike", "spend ")
    model = spend.model
    value = weighted_correlation(model.x, model.z, model.weights)
    apart = "value frequent and rare buyers with spend models of their own"
    yield Check(
        "spend independent of frequency",
        not abs(value) > DEPENDENCE,
        value,
        f"correlation of number and mean value of orders {value:+.3f}",
        apart,
    )
    slope = spend_slope(spend)
    change, low, high = (float(slope[name]) for name in ("change", "low", "high"))
    certain = max(low, -high)  # what is left of the change at the nearer end of its interval
    yield Check(
        "mean spend by frequency",
        not certain > SLOPE,
        change,
        f"mean order value differs by {100 * change:+.1f} % (95 % interval {100 * low:+.1f} to {100 * high:+.1f} %) "
        "with each doubling of the number of orders",
        f"{apart}; order_value_by_frequency shows where",
    )
    again = float(model.weights.sum())
    yield Check(
        "buyers with order values",
        again >= REPEAT_BUYERS,
        again,
        f"{again:,.0f} customers with repeat orders tell how spend varies",
        f"take a longer period or more customers, until there are at least {REPEAT_BUYERS}",
    )
    q = float(spend.params["q"])
    yield Check(
        "mean spend exists",
        q > 2,
        q,
        f"q is {q:.2f}; the mean needs more than 1, its variance more than 2",
        "leave out extreme orders, or value customers by their own mean",
    )


def of_spend_holdout(spend: GammaGammaResults, holdout: Any) -> Iterator[Check]:
    """Mean order value of a hold-out, expected and seen, and its intervals."""
    table = spend_evaluation(spend, holdout)
    error, inside, customers = (float(table[name].iloc[0]) for name in ("total_error", "inside", "customers"))
    yield Check(
        "order values of the hold-out",
        abs(error) <= TOTAL_ERROR,
        error,
        f"mean order value foretold {100 * abs(error):.1f} % too {'high' if error > 0 else 'low'}",
        "prices or baskets may have moved: scale order values, or fit the spend model to late orders only",
    )
    chance = float(np.sqrt(inside * (1 - inside) / customers))
    yield Check(
        "prediction intervals of order values",
        0.95 - inside <= SHORTFALL + 2 * chance,
        inside,
        f"mean order values of {100 * inside:.1f} % of customers inside their 95 % interval",
        "show customers no interval of value as it is: orders of one customer vary more than the model has it; the "
        "total of the base hardly suffers",
    )


def weighted_correlation(a: Any, b: Any, weights: Any) -> float:
    """Pearson correlation of two columns with weights; NaN where one is constant."""
    a, b, w = (np.asarray(values, dtype=float) for values in (a, b, weights))
    a, b = a - np.average(a, weights=w), b - np.average(b, weights=w)
    spread = np.sqrt((w @ a**2) * (w @ b**2))
    return float((w @ (a * b)) / spread) if spread > 0 else float(np.nan)
