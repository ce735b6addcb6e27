"""What retention, payback and the best budget come to, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.budget.payback import BEYOND, EARNS, FREE, LOSES, WITHIN
from crmlib.errors import DataError
from crmlib.findings import Finding, between, count, fitting, money, percent, verdict

if TYPE_CHECKING:
    import pandas as pd


#: Changes below this part of today's spend are none.
_LEAST = 0.005


def split(budget: pd.DataFrame, gain: pd.Series, *, currency: str, where: str, level: float = 0.95) -> Finding:
    """How to split the weekly budget, and what that gains over today's split.

    Parameters
    ----------
    budget, gain
        As `best_budget` gives them.
    currency, where, level
        As they were made with; whose weeks they are.
    """
    moved = budget[budget["change"].abs() > _LEAST * gain["today"]].sort_values("change", ascending=False)
    names = zip(moved["channel"], moved["today"], moved["best"], strict=True)
    steps = _listed([f"{name} from {money(today, currency, 0)} to {best:,.0f}" for name, today, best in names])
    ends = between(gain["low"], gain["high"], lambda amount: money(amount, currency, 0), level)
    amount = f"{money(gain['gain'], currency, 0)} of margin a week{ends}"
    told = verdict(
        gain["low"],
        gain["high"],
        above=f"move the weekly spend on {steps}, to gain {amount} over today's split",
        below=f"leave the split of the weekly spend: the one that the curves prefer is expected to bring {amount} more",
        same=f"no better split of the weekly spend can be told: the one that the curves prefer, {steps}, is expected "
        f"to bring {amount} more than today's",
    )
    sentence = f"On {where}, {told if steps else 'leave the split of the weekly spend as it is'}"
    if gain["unspent"] > _LEAST * gain["today"] and gain["low"] > 0:
        sentence += f"; {money(gain['unspent'], currency, 0)} of the total should stay unspent"
    kept = budget[budget["low"].isna()]
    if len(kept):
        rows = zip(kept["channel"], kept["best"], strict=True)
        stays = _listed([f"{name} at {money(amount, currency, 0)}" for name, amount in rows])
        sentence += (
            f"; the spending on {_listed(kept['channel'])} never varied, so its effect cannot be seen: leave {stays}, "
            "or vary it by lot"
        )
    label = f"Margin a week, best split less today's{_firm(where)}"
    return Finding("budget_gain", gain["gain"], currency, f"{sentence}.", gain["low"], gain["high"], level, label)


def payback(times: pd.DataFrame, *, where: str, by: str) -> Finding:
    """Which paid channels' customers have paid for their acquisition, the slowest and the quickest named.

    Parameters
    ----------
    times : pandas.DataFrame
        As `payback_times` gives it.
    where, by : str
        Whose channels they are; who counts as a channel's customer, such as "by last touch".
    """
    paid = times[times["verdict"] != FREE]
    if paid.empty:
        raise DataError(f"no channel of {where} costs anything; give channels their cost")
    within, beyond = paid[paid["verdict"] == WITHIN], paid[paid["verdict"] == BEYOND]
    parts = []
    if len(within):
        slow = within["days"].max()
        some = f"{len(within)} of {len(paid)} paid channels"
        parts.append(f"customers of {some} pay back within {count(slow)} days ({_listed(within['channel'])})")
    if len(beyond):
        seen = beyond["window"].max()
        limit = f"in the {count(seen)} days seen" if seen else "at all, for nobody is credited to them"
        who, what = ("those", "do not") if parts else ("customers", "do not pay back")
        parts.append(f"{who} of {_listed(beyond['channel'])} {what} {limit}")
    rest = paid.loc[~paid["verdict"].isin([WITHIN, BEYOND]), "channel"]
    if len(rest):
        told = f"of {_listed(rest)} it cannot be told"
        parts.append(told if parts else f"{told} whether customers pay back")
    label = f"Channels whose customers pay back{_firm(where)}"
    return Finding("paying_back", len(within), "channels", f"On {where}, {by}, {_joined(parts)}.", label=label)


def returns(table: pd.DataFrame, *, currency: str, where: str, by: str, level: float = 0.95) -> Finding:
    """The paid channel that brings back least for its money, and how much of the budget does not earn itself.

    Parameters
    ----------
    table : pandas.DataFrame
        As `channel_returns` gives it.
    """
    whole = table[table["verdict"] != FREE]
    paid = whole[whole["return"].notna()]
    key = "least_return"
    if paid.empty:
        return Finding(key, None, currency, f"On {where} no paid channel has enough customers to tell its return.")
    row = paid.sort_values("return", kind="stable").iloc[0]
    losing, earning = (paid.loc[paid["verdict"] == kind] for kind in (LOSES, EARNS))
    back = (1 + row[["return", "low", "high"]]).astype(float)
    ends = between(back["low"], back["high"], lambda amount: money(amount, currency), level)
    least = "least, " if len(paid) > 1 else ""
    unknown = len(whole) - len(paid)
    few = f" ({unknown} {'has' if unknown == 1 else 'have'} too few customers to tell)" if unknown else ""
    sentence = (
        f"On {where}, {by}, {len(earning)} of {len(whole)} paid channels earn their budget within the ages "
        f"counted{few}; {row['channel']} brings back {least}{money(back['return'], currency)}{ends} for each one "
        f"spent, of {money(row['cost'], currency, 0)}"
    )
    if len(losing):
        sentence += f"; {percent(losing['cost'].sum() / whole['cost'].sum(), 0)} of the budget goes where it is lost"
    known = np.isfinite(back[["low", "high"]]).all()
    label = fitting(f"Back per unit spent on {row['channel']}{_firm(where)}", "Back per unit spent where it is least")
    rest = (back["low"], back["high"], level, label) if known else (None, None, None, label)
    return Finding(key, back["return"], currency, f"{sentence}.", *rest)


def alike(retention: pd.DataFrame, margin: pd.DataFrame, *, age: int, days: int, where: str) -> Finding:
    """Whether customers differ by the channel that won them, in activity and in margin.

    Parameters
    ----------
    retention, margin : pandas.DataFrame
        As `retention_comparison` and `margin_comparison` give them, the channel as a column or the index.
    age, days : int
        Of which age and up to which day they are.
    """
    if len(retention) < 2:
        return Finding(
            "channels_that_differ", 0, "channels", f"On {where} there is one channel, and none to compare with."
        )
    parts = []
    for table, what in ((retention, f"active share at age {age}"), (margin, f"margin in {count(days)} days")):
        told = table.reset_index()[table["distinct"].to_numpy()]
        if table["p_holm"].notna().sum() == 0:
            parts.append(f"too few customers to compare the {what}")
        elif told.empty:
            parts.append(f"the {what} cannot be told apart between channels")
        else:
            better, worse = (told.loc[sign * told["difference"] > 0, "channel"] for sign in (1, -1))
            sides = ((names, how) for names, how in ((better, "above"), (worse, "below")) if len(names))
            placed = [f"{_listed(names)} {'lies' if len(names) == 1 else 'lie'} {how}" for names, how in sides]
            parts.append(f"in the {what} {' and '.join(placed)} the others")
    number = int((retention["distinct"].to_numpy() | margin["distinct"].to_numpy()).sum())
    label = "Channels whose customers are told apart"
    return Finding("channels_that_differ", number, "channels", f"On {where}, {_joined(parts)}.", label=label)


def against_truth(credited: pd.DataFrame, real: pd.DataFrame, *, where: str, by: str) -> Finding:
    """How many paid channels a rule and the truth judge alike, and the dearest mistake.

    Parameters
    ----------
    credited, real : pandas.DataFrame
        As `payback_times` gives them, by the rule and with the customers really added.
    """
    both = credited.merge(real, on="channel", suffixes=("", "_real"))
    both = both[both["cost"] > 0]
    wrong = both[(both["verdict"] == WITHIN) & (both["verdict_real"] == BEYOND)]
    denied = both[(both["verdict_real"] == WITHIN) & (both["verdict"] != WITHIN)]
    same = int((both["verdict"] == both["verdict_real"]).sum())
    parts = [f"on {where} {by} and the truth agree on {same} of {len(both)} paid channels"]
    if len(wrong):
        cost = percent(wrong["cost"].sum() / both["cost"].sum(), 0)
        parts.append(f"{_listed(wrong['channel'])}, {cost} of the budget, seem to pay back and do not")
    if len(denied):
        parts.append(f"{_listed(denied['channel'])} pay back and do not seem to")
    sentence = "; ".join(parts)
    label = fitting(f"Channels judged alike by {by} and the truth{_firm(where)}", "Channels judged as by the truth")
    return Finding("payback_judged_right", same, "channels", f"{sentence[0].upper()}{sentence[1:]}.", label=label)


def real_gain(gain: pd.Series, real: float, *, currency: str, level: float = 0.95) -> Finding:
    """The gain that the curves promised beside the one that the budget really has where the truth is known."""
    inside = gain["low"] <= real <= gain["high"]
    where = "inside" if inside else "below" if real < gain["low"] else "above"
    low, high = (money(gain[end], currency, 0) for end in ("low", "high"))
    sentence = (
        f"On simulated weeks the chosen budget really gains {money(real, currency, 0)} a week, {where} the "
        f"{100 * level:g} % interval, {low} to {high}, of the {money(gain['gain'], currency, 0)} expected."
    )
    return Finding("real_gain", real, currency, sentence, label="Margin really gained a week, simulated")


def confounding(told: pd.Series, *, level: float = 0.95) -> Finding:
    """What curves say that more spend brings where spend follows demand, beside what it really brings.

    Parameters
    ----------
    told : pandas.Series
        customers, low, high, as `ResponseCurves.change` gives them from half of today's spend to half as much again,
        and truth, the same by what made the weeks.
    """
    real = float(told["truth"])
    reading = verdict(
        told["low"] - real,
        told["high"] - real,
        above="demand is taken for effect, so vary spend by lot before money moves",
        below="too little, for no reason that these weeks show",
        same="which the interval holds, though nothing ensures that it does",
    )
    sentence = (
        f"Where spend follows a demand that nobody records, the curves say that half as much again brings "
        f"{count(told['customers'])} customers a week more than half of it"
        f"{between(told['low'], told['high'], count, level)}; it brings {count(real)}: {reading}."
    )
    return Finding(
        "confounded_excess",
        told["customers"] - real,
        "customers",
        sentence,
        told["low"] - real,
        told["high"] - real,
        level,
        label="Customers a week, curves less truth, simulated",
    )


def _firm(where: str) -> str:
    """What a label adds where the firm or its weeks are not real."""
    return ", simulated" if "simulated" in where else ""


def _listed(names: pd.Series | list[str]) -> str:
    shown = [str(name) for name in names]
    return "".join(shown) if len(shown) < 2 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
