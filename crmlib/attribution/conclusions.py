"""What the attribution found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.attribution.comparison import paired_comparison
from crmlib.attribution.holdout_conclusions import holdout, regional_holdout
from crmlib.attribution.money import EARNS, FREE, LOSES
from crmlib.attribution.sample import CreditSample
from crmlib.attribution.truth import TRUTH
from crmlib.errors import DataError
from crmlib.findings import Finding, between, count, fitting, money, percent, ranged

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["answer", "cut", "disagreement", "holdout", "leader", "memory", "overpaid", "regional_holdout"]


def answer(
    costs: pd.DataFrame,
    *,
    worth: float,
    currency: str,
    where: str,
    by: str | None = None,
    level: float = 0.95,
) -> Finding:
    """Which paid channels earn their budget.

    Parameters
    ----------
    costs : pandas.DataFrame
        As `acquisition_costs` or `true_acquisition_costs` gives them.
    worth, currency, level
        As they were made with.
    where : str
        Whose channels they are, such as "the simulated firm".
    by : str, optional
        The rule that credits the customers; none where those really added are known.
    """
    paid = costs[costs["verdict"] != FREE]
    if paid.empty:
        raise DataError(f"no channel of {where} costs anything; give touches their cost")
    losing, earning = paid[paid["verdict"] == LOSES], paid[paid["verdict"] == EARNS]
    kind = "really added" if by is None else f"credited by {by}"
    finite = losing[np.isfinite(losing["cost_per_customer"])]
    shown = finite if len(finite) else losing if len(losing) else paid
    row = shown.sort_values("cost", ascending=False, kind="stable").iloc[0] if len(losing) else paid.iloc[0]
    price = _price(row, kind, currency, level)
    limit = f"the {money(worth, currency)} that one is worth"
    if len(losing):
        share = percent(losing["cost"].sum() / paid["cost"].sum(), 0)
        start = f"On {where} {share} of the budget goes to channels that do not earn it, {_listed(losing['channel'])}"
        todo = "end them, or prove them by a hold-out" if by is None else "hold them out at random before ending them"
        sentence = f"{start}: {price}, against {limit}; {todo}"
    elif len(earning) == len(paid):
        sentence = f"On {where} every paid channel earns its budget: {price}, still below {limit}"
        sentence += "" if by is None else "; but a credited customer may have come anyway, so hold out the largest"
    else:
        open_ = paid.loc[~paid["channel"].isin(earning["channel"]), "channel"]
        sentence = f"On {where} no paid channel is shown to lose its budget, and {_listed(open_)} cannot be told"
        sentence += f" either way: {price}, against {limit}; test before spending more"
    whose = f"added by {row['channel']}" if by is None else f"credited to {row['channel']} by {by}"
    label = fitting(f"Cost of a customer {whose}{_firm(where)}", f"Cost of a customer {kind}{_firm(where)}")
    return ranged(
        "cost_per_customer", row["cost_per_customer"], currency, f"{sentence}.", row["low"], row["high"], level, label
    )


def overpaid(bias: pd.DataFrame, rule: str, *, where: str) -> Finding:
    """The channel that a rule credits with most customers too many.

    Parameters
    ----------
    bias : pandas.DataFrame
        As `rule_bias` gives it.
    rule : str
        Label of the rule.
    """
    rows = bias[bias["rule"] == rule].sort_values("bias", kind="stable")
    most, least = rows.iloc[-1], rows.iloc[0]
    more = f"{count(most['bias'])} more than " if most["bias"] > 0 else "of "
    sentence = (
        f"On {where} {rule} credits {most['channel']} with {count(most['credit'])} customers, {more}the "
        f"{count(most['increment'])} that it added"
    )
    if least["bias"] < 0:
        sentence += (
            f", and {least['channel']} with {count(least['credit'])}, though it added {count(least['increment'])}"
        )
    label = fitting(
        f"Excess credit of {most['channel']} by {rule}{_firm(where)}", f"Largest excess credit by {rule}{_firm(where)}"
    )
    return Finding(f"overpaid_by_{_key(rule)}", most["bias"], "customers", f"{sentence}.", label=label)


def cut(ranking: pd.DataFrame, *, cut: float, currency: str, where: str) -> Finding:
    """What following each rule would cost if the budget had to fall.

    Parameters
    ----------
    ranking : pandas.DataFrame
        As `misplaced_budget` gives it.
    """
    rules = ranking[ranking["rule"] != TRUTH]
    best, worst = rules.iloc[0], rules[rules["customers_lost"] == rules["customers_lost"].max()].iloc[0]
    truth = ranking.loc[ranking["rule"] == TRUTH, "customers_lost"].item()
    if best["customers_lost"] == worst["customers_lost"]:
        said = f"by any rule {count(best['customers_lost'])} customers are lost"
    else:
        said = (
            f"cutting where {worst['rule']} finds customers dearest loses {count(worst['customers_lost'])} customers "
            f"({money(worst['lost_profit'], currency, 0)} of profit more than need be), where {best['rule']} does "
            f"{count(best['customers_lost'])}"
        )
    sentence = f"If {where} saved {percent(cut, 0)} of its budget, {said}, and where the truth does {count(truth)}."
    label = fitting(
        f"Profit lost when {worst['rule']} guides a {percent(cut, 0)} cut{_firm(where)}",
        f"Profit lost when {worst['rule']} guides the cut{_firm(where)}",
    )
    return Finding("lost_profit_worst_rule", worst["lost_profit"], currency, sentence, label=label)


def leader(sample: CreditSample, *, where: str, level: float = 0.95) -> Finding:
    """The channel with the largest share by one rule, and whether the next can be told apart from it."""
    table = sample.intervals(level=level).sort_values("credit", ascending=False, kind="stable")
    key = f"largest_share_{_key(str(sample.rule))}"
    if table.empty or not np.isfinite(table["share"].iloc[0]):
        return Finding(key, None, "share", f"On {where} there are no conversions to credit.")
    first = table.iloc[0]
    share = percent(first["share"]) + between(first["share_low"], first["share_high"], percent, level)
    sentence = f"On {where} {sample.rule} gives {first['channel']} the largest share of {sample.measure}, {share}"
    if len(table) > 1:
        row = (
            paired_comparison(sample.channels, sample.credit, sample.credits, baseline=first["channel"], level=level)
            .set_index("name")
            .loc[table["channel"].iloc[1]]
        )
        told = "ahead of" if row["distinct"] else "which cannot be told apart from that of"
        sentence += f", {told} {table['channel'].iloc[1]} ({percent(table['share'].iloc[1])})"
    ends = first.rename({"share_low": "low", "share_high": "high", "low": "_", "high": "__"})
    label = fitting(
        f"Share of {sample.measure} for {first['channel']} by {sample.rule}", f"Largest share by {sample.rule}"
    )
    return ranged(key, first["share"], "share", f"{sentence}.", ends["low"], ends["high"], level, label)


def memory(choice: pd.DataFrame, *, where: str) -> Finding:
    """The order of the chain that predicts held-out journeys best, and by how much it beats order 1.

    Parameters
    ----------
    choice : pandas.DataFrame
        As `order_choice` gives it.
    """
    best = choice[choice["chosen"]].iloc[0]
    number = int(best["order"])
    sentence = f"On {where} a chain of order {number} predicts held-out journeys best"
    if number == choice["order"].max() and len(choice) > 1:
        sentence += ", the longest memory tried"
    first = choice[choice["order"] == 1]
    if number > 1 and len(first):
        sentence += f": order 1 falls {first['behind'].item():.3g} nats a journey short of it"
        told = "cannot be told apart from" if first["behind"].item() < 2 * first["standard_error"].item() else "beyond"
        sentence += f", {told} chance"
    label = "Touches to remember for the best prediction"
    return Finding("chosen_order", number, "touches", f"{sentence}.", label=label)


def disagreement(credits: pd.DataFrame, *, where: str) -> Finding:
    """The channel on whose share the rules differ most.

    Parameters
    ----------
    credits : pandas.DataFrame
        rule, channel, share, as `credits_by_rule` gives them.
    """
    wide = credits.pivot(index="channel", columns="rule", values="share")[credits["rule"].unique()]
    spread = wide.max(axis=1) - wide.min(axis=1)
    if not spread.notna().any():
        return Finding(
            "widest_spread", None, "share", f"On {where} there are no conversions on which rules could differ."
        )
    row = wide.iloc[int(np.nanargmax(spread.to_numpy()))]
    ends = f"{percent(row.min())} of conversions ({row.idxmin()}) to {percent(row.max())} ({row.idxmax()})"
    sentence = (
        f"On {where} the choice of rule moves {row.name} by {100 * spread.max():.1f} points, from {ends}: "
        "a rule is a choice, not a measurement."
    )
    label = fitting(f"Spread of the share of {row.name} over the rules", "Widest spread of a share over the rules")
    return Finding("widest_spread", spread.max(), "share", sentence, label=label)


def _price(row: pd.Series, kind: str, currency: str, level: float) -> str:
    """What a customer of a channel costs, in half a sentence."""
    if not np.isfinite(row["cost_per_customer"]):
        least = f", so at least {money(row['low'], currency)} each" if np.isfinite(row["low"]) else ""
        return f"{row['channel']} costs {money(row['cost'], currency, 0)} and has no customer {kind}{least}"

    def wording(amount: float) -> str:
        return money(amount, currency) if np.isfinite(amount) else "without limit"

    ends = between(row["low"], row["high"], wording, level)
    return f"a customer {kind} to {row['channel']} costs {money(row['cost_per_customer'], currency)}{ends}".replace(
        "really added to", "really added by"
    )


def _listed(names: pd.Series) -> str:
    shown = [str(name) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _key(label: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in label.lower()).replace("__", "_").strip("_")


def _firm(where: str) -> str:
    """What a label adds where the firm is not a real one."""
    return ", simulated" if "simulated" in where else ""
