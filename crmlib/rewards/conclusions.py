"""What the analysis of rewards found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, count, money, percent, placed, ranged, verdict

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.rewards.defection import Defection
    from crmlib.rewards.pressure import PointsPressure


def answer(pressure: PointsPressure, left: Defection, *, programme: str) -> Finding:
    """Whether points move purchases, and whether members leave later.

    Parameters
    ----------
    pressure : PointsPressure
        Of `points_pressure`.
    left : Defection
        Of `defection`.
    programme : str
        Whose programme it is, as it stands in the sentence.
    """
    row, gone = pressure.acceleration, left.overall
    moves = verdict(
        row["low"] - 1,
        row["high"] - 1,
        above=f"points move purchases: one short of the reward members buy {row['value']:.2f} times as fast",
        below=f"members slow down towards the reward, to {row['value']:.2f} times the pace of an empty card",
        same=f"no pressure of points can be told, {row['value']:.2f} times the pace of an empty card",
    )
    ends = between(row["low"], row["high"], lambda x: f"{x:.2f}", pressure.level)
    months = _months(gone["months"])
    stays = _stays(left, f"members lapse less within {months}", f"members lapse more within {months}")
    sentence = f"At {programme} {moves}{ends}, and {stays}."
    return Finding("pressure_acceleration", row["value"], "", sentence, row["low"], row["high"], pressure.level)


def control(own: PointsPressure, constant: PointsPressure) -> Finding:
    """What the estimate without a control would have said."""
    row, naive = own.acceleration, constant.acceleration
    pooled = constant.by_purchases["pooled"].iloc[-1]
    sentence = (
        f"Pooled over members the last purchase of a card comes {pooled:.2f} times as fast as the first, whoever fills "
        f"cards and when; with a rate of each member's own that never changes {naive['value']:.2f} times; with "
        f"each month held against itself {row['value']:.2f} times."
    )
    return Finding("pooled_acceleration", pooled, "", sentence)


def caused(paid: pd.DataFrame, *, programme: str, level: float) -> Finding:
    """How many of the purchases on the card the pressure causes; `paid` of `card_return`."""
    row = dict(paid.set_index("quantity").loc["caused"])
    told = verdict(
        row["low"],
        row["high"],
        above="without points they would not have been made in that time",
        below="members slow down as their points add up",
        same="whether points move purchases cannot be told",
    )
    share = percent(abs(row["value"]))
    pressure = f"Pressure causes {share}" if row["value"] >= 0 else f"Haste is missing: it costs {share}"
    ends = between(row["low"], row["high"], lambda x: percent(x).replace("-", "−"), level)
    sentence = f"{pressure} of the purchases on the card{ends}: {told}."
    label = placed("Purchases on the card that points cause", programme)
    return Finding("purchases_caused_by_points", row["value"], "share", sentence, row["low"], row["high"], level, label)


def card(paid: pd.DataFrame, *, programme: str, threshold: int, currency: str, level: float) -> Finding:
    """Whether the pressure pays for the rewards; `paid` of `card_return`."""
    rows = {str(name): dict(row) for name, row in paid.set_index("quantity").iterrows()}
    net, gain = rows["net"]["value"], rows["gain"]["value"]
    low, high = rows["net"]["low"], rows["net"]["high"]

    def told(value: float) -> str:
        return f"{'−' if value < 0 else ''}{money(abs(value), currency)}"

    pays = verdict(
        low,
        high,
        above="pressure alone pays for the rewards",
        below="pressure alone does not pay for the rewards: what else the programme brings has to",
        same="whether pressure alone pays for the rewards cannot be told",
    )
    most = round(threshold * gain, 2)
    room = f"it would for rewards that cost up to {told(most)}" if most > 0 else "no reward is cheap enough for that"
    sentence = (
        f"Pressure is worth {told(gain)} a purchase against {money(rows['cost']['value'], currency)} for its part of "
        f"the reward, net {told(net)}{between(low, high, told, level)}: {pays}; {room}."
    )
    label = placed("Margin caused less reward, per purchase", programme)
    return Finding("card_net_per_purchase", net, currency, sentence, low, high, level, label)


def pull(table: pd.DataFrame, *, category: str, source: str, level: float) -> Finding:
    """What makes customers buy the same brand again; `table` of `lock_in`."""
    row = table[table["brand"] == "all brands"].iloc[0]
    locked = verdict(
        row["low"],
        row["high"],
        above="the last purchase pulls the next one after it",
        below="customers turn away from what they bought last",
        same="no pull beyond habit can be told",
    )
    points = between(row["low"], row["high"], lambda x: f"{100 * x:+.1f} points", level)
    sentence = (
        f"At {source} {percent(row['repeat'])} of purchases of {category.lower()} repeat the brand: "
        f"{percent(row['share'])} if everybody bought by size, {100 * (row['shuffled'] - row['share']):+.1f} points "
        f"for each customer's own habits, {100 * row['pull']:+.1f} points{points} for the last purchase: {locked}, and "
        f"{percent(row['switched'])} switch."
    )
    label = "Repeats of a brand owed to the last purchase"
    return ranged("pull_of_last_purchase", row["pull"], "share", sentence, row["low"], row["high"], level, label)


def lapses(left: Defection, naive: pd.DataFrame, *, programme: str) -> Finding:
    """By how much members lapse less, beside the naive comparison; `naive` of `lapsed_to_date`."""
    row, seen = left.overall, naive.set_index("group")["share"]
    value = f"{100 * row['difference']:+.1f} points"
    ends = between(row["low"], row["high"], lambda x: f"{100 * x:+.1f}", left.level)
    unseen = "unless members had reasons that the orders do not show"
    kept = _stays(left, f"the programme keeps customers, {unseen}", f"the programme loses customers, {unseen}")
    sentence = (
        f"At {programme} {percent(seen['members'])} of members have lapsed to date and {percent(seen['others'])} of "
        f"the others, but members had to stay to join: within {_months(row['months'])} of joining "
        f"{percent(row['members'])} lapse, of others made alike (worth {count(left.controls)}) "
        f"{percent(row['alike'])}, {value}{ends}: {kept}."
    )
    label = placed(f"Lapsed in {_months(row['months'])}: members less others alike", programme)
    key = "lapsed_members_minus_alike"
    return ranged(key, row["difference"], "share", sentence, row["low"], row["high"], left.level, label)


def alarms(table: pd.DataFrame, *, level: float) -> Finding:
    """How often pressure is found where there is none; `table` of `cardless_pressure`."""
    alarm = {name: part["alarm"].to_numpy(dtype=bool) for name, part in table.groupby("estimate")}
    own, constant = alarm["own month"], alarm["constant rate"]
    sentence = (
        f"Of {len(own)} simulated programmes without a card and with a season, the month held against itself finds "
        f"pressure in {own.sum()}, the rate that never changes in {constant.sum()}; by chance alone "
        f"{(1 - level) * len(own):.1f} are expected."
    )
    return Finding("false_alarms", float(own.mean()), "share", sentence)


def truth(varied: pd.DataFrame) -> Finding:
    """How hidden reasons to stay bend the difference in lapsing; `varied` of `hidden_reasons`."""
    held = (varied["low"] <= varied["truth"]) & (varied["truth"] <= varied["high"])
    first, last = varied.iloc[0], varied.iloc[-1]
    said = "holds" if held.iloc[0] else "does not hold"
    sentence = (
        f"Where the past tells who joins, the interval {said} the true {100 * first['truth']:+.1f} points (estimate "
        f"{100 * first['difference']:+.1f}); where those join most who would stay anyway, the estimate is "
        f"{100 * last['difference']:+.1f} against {100 * last['truth']:+.1f}: only an experiment takes that out."
    )
    return Finding("lapsing_error_with_hidden_reasons", last["difference"] - last["truth"], "share", sentence)


def _months(number: float) -> str:
    return f"{number:.0f} month{'' if number == 1 else 's'}"


def _stays(left: Defection, less: str, more: str) -> str:
    row = left.overall
    same = "whether members lapse less cannot be told"
    if np.isnan(row["low"]):
        return f"{same}, as there are too few"
    return verdict(row["low"], row["high"], above=more, below=less, same=same)
