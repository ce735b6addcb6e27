"""Models of purchases and spend."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from crmlib import clv, data, rfm
from crmlib.frames import to_pandas
from crmlib.models import NBD, BetaGeoBetaBinomial, BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD
from published.comparison import computed

CUT = "1997-09-30"


@functools.cache
def history() -> Any:
    """CDNOW sample, 39 weeks and what came after."""
    return to_pandas(rfm.holdout_history(data.load("cdnow_sample")["orders"], as_of=CUT))


def past() -> list[Any]:
    return [history()[name] for name in ("frequency", "recency", "age")]


@functools.cache
def fit(model: Any) -> Any:
    return model(*past()).fit()


def table_fit(model: Any) -> Any:
    """From the rounded table that was published with the data."""
    table = to_pandas(data.load("cdnow_sample")["purchase_history"])
    return model(table["frequency"], table["recency"], table["age"]).fit()


@computed("nbd_cdnow_sample")
def nbd() -> Any:
    return NBD(history()["frequency"], history()["age"]).fit().params.to_dict()


@computed("bgnbd_cdnow_sample")
def bgnbd() -> Any:
    return fit(BetaGeoNBD).params.to_dict()


@computed("bgnbd_cdnow_sample_fit")
def bgnbd_fit() -> Any:
    return {"llf": fit(BetaGeoNBD).llf}


@computed("bgnbd_new_customer")
def bgnbd_new_customer() -> Any:
    model = fit(BetaGeoNBD).model
    rounded = model._results(model.free([0.243, 4.414, 0.793, 2.426]), np.eye(4))
    return {
        "expected": {time: fit(BetaGeoNBD).expected_purchases(time) for time in (1, 31.857, 78)},
        "none_in_39_rounded": rounded.purchase_probability(0, 39),
        "none_in_39": fit(BetaGeoNBD).purchase_probability(0, 39),
    }


@computed("bgnbd_customer")
def bgnbd_customer() -> Any:
    one = 2, 30.43, 38.86
    found = fit(BetaGeoNBD)
    return {"expected": found.conditional_expectation(39, *one)[0], "alive": found.probability_alive(*one)[0]}


@functools.cache
def evaluation() -> Any:
    return clv.holdout_evaluation(fit(BetaGeoNBD), history()).set_index("rule")


@computed("bgnbd_holdout")
def bgnbd_holdout() -> Any:
    predicted = evaluation()["predicted"]
    return {
        "predicted": predicted["model"],
        "actual": int(history()["holdout_frequency"].sum()),
        "naive": predicted["own past rate"],
    }


@computed("bgnbd_holdout_correlation")
def bgnbd_holdout_correlation() -> Any:
    found = evaluation()["correlation"]
    return {"model": found["model"], "naive": found["own past rate"]}


@computed("mbgnbd_cdnow_sample")
def mbgnbd() -> Any:
    return table_fit(ModifiedBetaGeoNBD).params.to_dict()


@computed("mbgnbd_cdnow_sample_fit")
def mbgnbd_fit() -> Any:
    return {"llf": table_fit(ModifiedBetaGeoNBD).llf}


@computed("pareto_nbd_cdnow_sample")
def pareto() -> Any:
    found = fit(ParetoNBD)
    return {
        "params": found.params.to_dict(),
        "standard_errors": found.bse.to_dict(),
        "llf_exact_days": found.llf,
        "llf_rounded_table": table_fit(ParetoNBD).llf,
    }


@computed("pareto_nbd_customers")
def pareto_customers() -> Any:
    found = fit(ParetoNBD)
    return {
        "heavy": found.conditional_expectation(52, 26, 30.86, 31)[0],
        "light": found.conditional_expectation(39, 2, 30.43, 38.86)[0],
        "light_alive": found.probability_alive(2, 30.43, 38.86)[0],
    }


@computed("pareto_nbd_78_weeks")
def pareto_78_weeks() -> Any:
    table = to_pandas(rfm.purchase_history(data.load("cdnow_sample")["orders"], as_of="1998-06-30"))
    found = ParetoNBD(table["frequency"], table["recency"], table["age"]).fit()
    discounted = found.discounted_transactions(0.0027, [7, 1], [35, 30], [77.86, 77.86])
    return {"params": found.params.to_dict(), "llf": found.llf, "discounted": discounted.tolist()}


@computed("gamma_gamma_cdnow_sample")
def gamma_gamma() -> Any:
    again = history()[history()["frequency"] > 0]
    found = GammaGamma(again["frequency"], again["monetary_value"]).fit()
    means = found.conditional_expectation(history()["frequency"], history()["monetary_value"])
    return {
        "params": found.params.to_dict(),
        "llf": found.llf,
        "customers": len(again),
        "correlation": again["frequency"].corr(again["monetary_value"]),
        "first_ten": means[:10].tolist(),
    }


@computed("bgbb_donations")
def bgbb() -> Any:
    donors = to_pandas(data.load("donations")["purchase_history"])
    found = BetaGeoBetaBinomial(donors["frequency"], donors["recency"], donors["age"]).fit()
    return {
        "params": found.params.to_dict(),
        "llf": found.llf,
        "five_years": found.conditional_expectation(5).sum(),
        "frequency": {count: len(donors) * found.purchase_probability(count, 6) for count in (0, 6)},
    }
