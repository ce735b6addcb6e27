"""What was found on leaving: which groups differ, what goes with it, and how projections of it fared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.cohorts.contract_conclusions.wording import FEW, SEEN
from crmlib.errors import DataError
from crmlib.findings import Finding, between, count, p_of

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.cohorts.contractual import LogRank
    from crmlib.cohorts.hazards import CoxRegression


def leaving(test: LogRank, cox: CoxRegression, check: pd.DataFrame) -> list[Finding]:
    """Three findings on who leaves: `groups_differ`, `strongest_ratio`, `ratios_constant`."""
    return [groups_differ(test), strongest_ratio(cox), ratios_constant(check)]


def groups_differ(test: LogRank) -> Finding:
    """Whether leaving differs between groups, and where more left than expected."""
    if not test.df:
        who = f"'{test.groups['group'].iloc[0]}'"
        return Finding("log_rank", None, "chi-squared", f"All are of one group, {who}, with none to compare it with.")
    ratio = test.groups["observed"] / test.groups["expected"].where(test.groups["expected"] > 0)
    worst = test.groups.iloc[int(ratio.fillna(0).argmax())]
    if test.p_value >= SEEN:
        sentence = f"The groups' curves cannot be told apart (log-rank test, {p_of(test.p_value)})."
    else:
        expected = count(worst["expected"]) if worst["expected"] >= 10 else f"{worst['expected']:.1f}"
        sentence = (
            f"The groups' curves differ (log-rank test, {p_of(test.p_value)}): with '{worst['group']}' "
            f"{count(worst['observed'])} left where {expected} would be expected of equals."
        )
    small = int((test.groups["expected"] < FEW).sum())
    if small:
        sentence = sentence[:-1] + f"; fewer than {FEW} are expected of {small} of the groups, so p is rough."
    return Finding("log_rank", test.statistic, "chi-squared", sentence)


def strongest_ratio(cox: CoxRegression) -> Finding:
    """The hazard ratio furthest from 1 of those that can be told from it."""
    rest = f"; {' and '.join(cox.constant)} cannot be asked about, having one value only" if cox.constant else ""
    if cox.ratios.empty:
        sentence = f"What goes with leaving is not told{rest}."
        return Finding("strongest_hazard_ratio", None, "ratio", sentence)
    distinct = cox.ratios[cox.ratios["p_value"] < SEEN]
    table = distinct if len(distinct) else cox.ratios
    row = table.iloc[int(table["coefficient"].abs().argmax())]
    place = list(cox.ratios["term"]).index(row["term"])
    flag = bool(np.isin(cox.spells[-1][:, place], (0, 1)).all())
    name = row["term"].replace("_", " ")
    term, shown = (name, "{:.3g}".format) if flag else (f"one more of {name}", "{:.5g}".format)
    ends = between(row["low"], row["high"], shown, cox.level)
    sentence = (
        f"All else equal, {term} goes with {shown(row['hazard_ratio'])} times the rate of leaving{ends}: "
        "a description, not an effect."
    )
    if not len(distinct):
        sentence = f"No hazard ratio can be told from 1, not even {shown(row['hazard_ratio'])}{ends} of {term}."
    sentence = sentence[:-1] + f"{rest}."
    return Finding("strongest_hazard_ratio", row["hazard_ratio"], "ratio", sentence, row["low"], row["high"], cox.level)


def ratios_constant(check: pd.DataFrame) -> Finding:
    """Whether hazard ratios stay constant with tenure (`proportionality`)."""
    if check.empty:
        sentence = "Without a term there is no hazard ratio to be constant."
        return Finding("hazards_proportional", None, "", sentence)
    total = check.iloc[-1]
    terms = check.iloc[:-1]
    if total["p_value"] >= SEEN:
        sentence = f"That hazard ratios are constant with tenure is not contradicted ({p_of(total['p_value'])})."
    else:
        drift = terms.iloc[int(terms["statistic"].argmax())]
        side = "grows" if drift["correlation"] > 0 else "falls"
        sentence = (
            f"The hazard ratios are not constant with tenure ({p_of(total['p_value'])}), so each is an average over "
            f"tenures; the drift is clearest in that of {drift['term'].replace('_', ' ')}, which {side}."
        )
    return Finding("hazards_proportional", bool(total["p_value"] >= SEEN), "", sentence)


def projection(errors: pd.DataFrame, *, calibration: int) -> Finding:
    """Which projection held out of sample, and how the classic curves failed."""
    best, worst = errors.iloc[0], errors.iloc[-1]
    if len(errors) < 2:
        raise DataError("a comparison of projections needs at least two methods")
    sentence = (
        f"From {calibration} renewals of the published cohort, {best['method']} misses the later share "
        f"by {100 * best['error_unseen']:.1f} points on average, {worst['method']} by {100 * worst['error_unseen']:.1f}"
    )
    broken = errors.loc[errors["impossible"], "method"].tolist()
    if broken:
        verb = "give" if len(broken) > 1 else "gives"
        sentence += f"; {' and '.join(broken)} {verb} shares that cannot be"
    label = "Error of the best projection, renewals not seen"
    return Finding("projection_error", best["error_unseen"], "share", f"{sentence}.", label=label)
