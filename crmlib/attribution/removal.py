"""The Markov chain behind the credits: what removing a channel costs, and where journeys go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.attribution.chain import Chain
from crmlib.attribution.estimates import channel_names
from crmlib.attribution.reading import read
from crmlib.attribution.rules import markov, rule_of
from crmlib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def removal_effects(touches: Any, outcomes: Any, *, order: int = 1) -> pd.DataFrame:
    r"""Array: what removing each channel would cost, in a Markov chain of journeys.

    The effect is :math:`1 - P_{\text{without}} / P`, where removing a channel sends every transition
    into a state that holds it to no conversion. It describes these journeys under the chain's
    assumption; it is no causal effect of switching the channel off.

    Parameters
    ----------
    touches, outcomes
        As in `credits`.
    order : int
        How many of the last touches make a state.

    Returns
    -------
    pandas.DataFrame, one row a channel
        channel, probability (of a conversion a journey, with all channels: conversions per journey,
        at every order), probability_without, removal_effect (0-1, weighted by conversions),
        value_removal_effect (0-1, weighted by value: how much value would be lost). Effects are
        missing where there is nothing to lose.
    """
    import pandas as pd

    rule = rule_of(markov(order))
    paths = read(touches, outcomes)
    amount = np.stack([paths.conversions, paths.value], axis=1)
    chain = Chain.of(paths, getattr(rule, "order", order))
    lost = chain.losses(amount, paths.journeys[:, None]) if len(paths.codes) else np.empty((0, 2))
    totals, made = amount.sum(axis=0), paths.journeys.sum()
    effect = np.divide(lost, totals, out=np.full_like(lost, np.nan), where=totals > 0)
    rate = totals[0] / made if made else np.nan
    return pd.DataFrame(
        {
            "channel": channel_names(paths),
            "probability": np.full(len(lost), rate),
            "probability_without": (totals[0] - lost[:, 0]) / made if made else np.full(len(lost), np.nan),
            "removal_effect": effect[:, 0],
            "value_removal_effect": effect[:, 1],
        }
    )


def transition_matrix(touches: Any, outcomes: Any, *, order: int = 1) -> pd.DataFrame:
    """Array: where journeys go from each state, the start and both ends included.

    Parameters
    ----------
    touches, outcomes
        As in `credits`.
    order : int
        How many of the last touches make a state.

    Returns
    -------
    pandas.DataFrame, one row a transition that was made, sorted
        source, target (states: channels joined by " > ", or "(start)", "(conversion)", "(null)"),
        journeys (count), probability (0-1, of leaving the source for this target). Pivot it for a matrix.

    Raises
    ------
    DataError
        A channel is called as one of these ends.
    """
    import pandas as pd

    rule_of(markov(order))
    paths = read(touches, outcomes)
    for name in sorted({"(start)", "(conversion)", "(null)"} & set(paths.channels)):
        raise DataError(f"touches: a channel is called {name}, as an end of the journeys is; give it another name")
    chain = Chain.of(paths, order)
    counts, _ = chain.flows(paths.journeys[:, None])
    names = ["(start)", *(" > ".join(paths.channels[code] for code in state) for state in chain.states)]
    inner = [(names[s + 1], names[t + 1], n) for s, t, n in zip(chain.source, chain.target, counts[:, 0], strict=True)]
    for end, amount in (("(conversion)", paths.conversions), ("(null)", paths.nulls)):
        ended = np.bincount(chain.last, amount, len(chain.states)) if len(amount) else np.zeros(len(chain.states))
        inner += [(names[s + 1], end, n) for s, n in enumerate(ended)]
    table = pd.DataFrame(inner, columns=["source", "target", "journeys"]).astype({"journeys": float})
    table = table[table["journeys"] > 0].sort_values(["source", "target"], ignore_index=True)
    return table.assign(probability=table["journeys"] / table.groupby("source")["journeys"].transform("sum"))
