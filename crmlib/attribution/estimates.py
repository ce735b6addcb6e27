"""Credit by channel, removal effects and transitions of a table of journeys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.attribution.game import sampled_contributions, sampled_orders
from crmlib.attribution.paths import Paths
from crmlib.attribution.positional import Rule, scaled
from crmlib.attribution.reading import read
from crmlib.attribution.rules import rule_of
from crmlib.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pandas as pd


def credits(
    touches: Any,
    outcomes: Any,
    *,
    rule: str | Rule | Callable[..., Rule] = "markov",
    rng: np.random.Generator | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Array: conversions and value credited to each channel by one rule.

    Credits sum to the conversions, and to the value, of all journeys that have a touch. `share` is of
    conversions. Value is divided as conversions are, each journey's own value for rules that look at
    one journey at a time, the value lost for Markov, value per journey for Shapley's rate.

    Decided here: a journey of one touch credits its channel with all, by every rule but Markov and
    Shapley's rate, which look at all journeys together. A channel that no converting journey touched
    gets nothing, except from those two. No conversions: credits of 0, and shares that are missing. No
    touches: no rows. Touches are ordered by position; where two share one, by `touched_at` if it is
    there, then by channel; rows that agree in all of these are one touch recorded twice, and count
    once. A touch without a channel keeps its place as "(unknown)". A journey without any touch is
    left out, and so is a touch without a journey. There may be any number of channels.

    Parameters
    ----------
    touches : any frame
        journey_id, position, channel [touched_at, for time decay in days].
    outcomes : any frame
        journey_id, conversions, value, nulls; one row a journey, or a row a path with its counts.
    rule : str or rule
        `first_touch`, `last_touch`, `last_non_direct`, `linear`, `position_based`, `time_decay`,
        `markov`, `selected_markov`, `shapley` or `person_period`: the name with its options, or an
        object such as `markov(order=2)`.
    rng : numpy.random.Generator, optional
        Needed only where Shapley's rate is sampled, with more than 15 channels, and for the folds by
        which `selected_markov` chooses.
    **options
        Of a rule that is given by name: `direct`; `first` and `last`; `half_life`; `order`; `worth`; `most`.

    Returns
    -------
    pandas.DataFrame, one row a channel, sorted by it
        channel, conversions, value (in the currency of outcomes), share (0-1, negative only for
        Shapley's rate); for sampled credits also sampling_error (standard error, conversions).

    Raises
    ------
    MissingColumnsError, DataError, ParameterError

    Examples
    --------
    >>> import pandas as pd
    >>> touches = pd.DataFrame({"journey_id": [1, 1, 1, 2, 3, 3], "position": [1, 2, 3, 1, 1, 2],
    ...     "channel": ["A", "B", "C", "A", "B", "C"]})
    >>> outcomes = pd.DataFrame({"journey_id": [1, 2, 3],
    ...     "conversions": [1, 0, 0], "value": [9, 0, 0], "nulls": [0, 1, 1]})
    >>> credits(touches, outcomes, rule="markov")
      channel  conversions  value  share
    0       A          0.2    1.8    0.2
    1       B          0.4    3.6    0.4
    2       C          0.4    3.6    0.4
    """
    chosen = rule_of(rule, **options)
    paths = read(touches, outcomes, times=chosen.uses_times)
    return credit_table(paths, chosen, rng)


def credit_table(paths: Paths, rule: Rule, rng: np.random.Generator | None = None) -> pd.DataFrame:
    """Array: the table of `credits` from paths as arrays."""
    import pandas as pd

    amount = np.stack([paths.conversions, paths.value], axis=1)
    journeys = paths.journeys[:, None]
    if rule.sampled(paths) and rng is not None:
        return _sampled(paths, rule, amount, journeys, rng)
    found = rule.allocation(paths, rng)(amount, journeys) if len(paths.codes) else np.empty((0, 2))
    return pd.DataFrame({"channel": channel_names(paths), "conversions": found[:, 0], "value": found[:, 1]}).assign(
        share=lambda table: shares(table["conversions"].to_numpy()[:, None], paths.conversions[:, None])[:, 0]
    )


def credits_by_rule(
    touches: Any,
    outcomes: Any,
    rules: Iterable[str | Rule | Callable[..., Rule]],
    *,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Array: the credits of several rules, one below the other; the tables are read once.

    Parameters
    ----------
    touches, outcomes, rng
        As in `credits`.
    rules : iterable of str or rule

    Returns
    -------
    pandas.DataFrame, one row a rule and channel, in the order of the rules
        rule (its label), channel, conversions, value, share.
    """
    import pandas as pd

    chosen = [rule_of(rule) for rule in rules]
    if not chosen:
        raise ParameterError("give at least one rule, such as 'linear'")
    paths = read(touches, outcomes, times=any(rule.uses_times for rule in chosen))
    columns = ["channel", "conversions", "value", "share"]
    tables = [credit_table(paths, rule, rng)[columns].assign(rule=str(rule)) for rule in chosen]
    return pd.concat(tables, ignore_index=True)[["rule", *columns]]


def share_table(credits: pd.DataFrame) -> pd.DataFrame:
    """Array: shares of conversions laid side by side, the channel with most on average first.

    Parameters
    ----------
    credits : pandas.DataFrame
        rule, channel, share, as `credits_by_rule` gives them.

    Returns
    -------
    pandas.DataFrame
        Rows are channels, columns rules in their order; 0-1.

    Raises
    ------
    DataError
        There are no conversions, so no shares of them.
    """
    if credits.empty or credits["share"].isna().all():
        raise DataError(
            "no journey with a touch converted: there is nothing to credit; take a later as_of or more data"
        )
    wide = credits.pivot(index="channel", columns="rule", values="share")[list(credits["rule"].unique())]
    order = wide.mean(axis=1).sort_values(ascending=False, kind="stable").index
    return wide.loc[order].rename_axis(columns=None)


def shares(credited: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Credits (channels, b) as parts of what there was to credit (journeys, b); NaN where that was nothing."""
    totals = amount.sum(axis=0)
    return np.divide(credited, totals, out=np.full(credited.shape, np.nan), where=totals > 0)


def channel_names(paths: Paths) -> Any:
    """Column of the channels' names."""
    import pandas as pd

    return pd.array(list(paths.channels), dtype="str")


def _sampled(
    paths: Paths, rule: Rule, amount: np.ndarray, journeys: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Shapley's rate from sampled orders, with the standard error over the pairs of an order and its reverse."""
    import pandas as pd

    grouped, group = paths.distinct()
    sums = np.stack([np.bincount(group, amount[:, column]) for column in range(2)], axis=1)
    orders = sampled_orders(len(paths.channels), getattr(rule, "permutations", 1_000), rng)
    found = sampled_contributions(grouped, orders, sums, grouped.journeys[:, None])
    mean = found.mean(axis=0)
    credited = scaled(mean, sums)
    error = found[:, :, 0].std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.full(len(mean), np.nan)
    total = mean[:, 0].sum()  # the worth of all channels together, the same in every order
    return pd.DataFrame(
        {
            "channel": channel_names(paths),
            "conversions": credited[:, 0],
            "value": credited[:, 1],
            "share": shares(credited[:, :1], sums[:, :1])[:, 0],
            "sampling_error": error * (sums[:, 0].sum() / total if total else 0.0),
        }
    )
