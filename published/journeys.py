"""Attribution."""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd

from crmlib import attribution, data
from crmlib.frames import to_pandas
from published.comparison import computed


@functools.cache
def paths() -> tuple[Any, Any]:
    tables = data.load("paths")
    return to_pandas(tables["touches"]), to_pandas(tables["outcomes"])


def credits(touches: Any, outcomes: Any, column: str = "conversions", **options: Any) -> Any:
    found = to_pandas(attribution.credits(touches, outcomes, **options))
    return found.set_index("channel")[column].to_dict()


@computed("attribution_textbook")
def textbook() -> Any:
    """A > B > C converts, A and B > C do not."""
    rows = [(1, "A"), (1, "B"), (1, "C"), (2, "A"), (3, "B"), (3, "C")]
    touches = pd.DataFrame(rows, columns=["journey_id", "channel"])
    touches.insert(1, "position", touches.groupby("journey_id").cumcount() + 1)
    outcomes = pd.DataFrame({"journey_id": [1, 2, 3], "conversions": [1, 0, 0], "nulls": [0, 1, 1], "value": 0.0})
    effects = to_pandas(attribution.removal_effects(touches, outcomes)).set_index("channel")
    return {
        "probability": effects["probability"].iloc[0],
        "removal_effect": effects["removal_effect"].to_dict(),
        "share": credits(touches, outcomes, "share", rule="markov"),
    }


@computed("attribution_paths")
def rules() -> Any:
    touches, outcomes = paths()
    ordered = touches.sort_values(["journey_id", "position"])
    repeated = ordered[["journey_id", "channel"]].eq(ordered[["journey_id", "channel"]].shift()).all(axis=1)
    return {
        "rows": len(outcomes),
        "conversions": int(outcomes["conversions"].sum()),
        "nulls": int(outcomes["nulls"].sum()),
        **{rule: credits(touches, outcomes, rule=rule) for rule in ("first_touch", "last_touch", "linear", "markov")},
        "markov_order_2_alpha": credits(touches, outcomes, rule="markov", order=2)["alpha"],
        "markov_order_2_alpha_collapsed": credits(ordered[~repeated], outcomes, rule="markov", order=2)["alpha"],
    }


@functools.cache
def effects() -> Any:
    return to_pandas(attribution.removal_effects(*paths())).set_index("channel")


@computed("attribution_paths_removal")
def removal() -> Any:
    return {"removal_effect": effects()["removal_effect"].to_dict()}


@computed("attribution_paths_probability")
def probability() -> Any:
    return {"probability": effects()["probability"].iloc[0]}


@computed("attribution_paths_rate")
def rate() -> Any:
    return credits(*paths(), rule="shapley", worth="rate")
