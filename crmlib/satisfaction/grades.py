"""Shares by grade, who of them came back, and how far a score with equal steps fits that."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError
from crmlib.frames import to_pandas, wrap
from crmlib.intervals import FEWEST, require_level

if TYPE_CHECKING:
    import pandas as pd

#: What the grades mean.
GRADES = {1: "very disappointed", 2: "disappointed", 3: "neither", 4: "satisfied", 5: "very satisfied"}


def grade_table(answers: Any, *, level: float = 0.95) -> pd.DataFrame:
    """Array: share of each grade, and of those who gave it the share that came back.

    Parameters
    ----------
    answers : any frame
        grade (1-5), returned (Boolean); one row a customer.
    level : float
        Coverage of the Wilson intervals, pointwise.

    Returns
    -------
    pandas.DataFrame, five rows, from very disappointed to very satisfied; grades that nobody gave have zeros
        grade, meaning, customers, share, low, high, returned (share, NaN where nobody gave the grade),
        returned_low, returned_high, step (returned minus that of the grade below), step_low, step_high
        (Newcombe's interval; NaN where either has fewer than 30 customers).

    Raises
    ------
    MissingColumnsError
    DataError
        No answers, or a grade that is not 1 to 5.

    References
    ----------
    Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17, 873-890 (method 10).
    """
    import pandas as pd
    from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

    require_level(level)
    table = checked(answers, "returned")
    count = table.groupby("grade").size().reindex(list(GRADES), fill_value=0).to_numpy()
    back = table.groupby("grade")["returned"].sum().reindex(list(GRADES), fill_value=0).to_numpy(dtype=float)
    low, high = proportion_confint(count, count.sum(), alpha=1 - level, method="wilson")
    some = count > 0
    rate, rate_low, rate_high = (np.full(len(count), np.nan) for _ in range(3))
    rate[some] = back[some] / count[some]
    rate_low[some], rate_high[some] = proportion_confint(back[some], count[some], alpha=1 - level, method="wilson")
    steps = np.full((len(count), 2), np.nan)
    for row in range(1, len(count)):
        if min(count[row - 1 : row + 1]) >= FEWEST:
            both = (back[row], count[row], back[row - 1], count[row - 1])
            steps[row] = confint_proportions_2indep(*both, method="newcomb", compare="diff", alpha=1 - level)
    return pd.DataFrame(
        {
            "grade": list(GRADES),
            "meaning": list(GRADES.values()),
            "customers": count,
            "share": count / count.sum(),
            "low": low,
            "high": high,
            "returned": rate,
            "returned_low": rate_low,
            "returned_high": rate_high,
            "step": np.append(np.nan, np.diff(rate)),
            "step_low": steps[:, 0],
            "step_high": steps[:, 1],
        }
    )


def group_table(answers: Any, by: str, *, level: float = 0.95) -> pd.DataFrame:
    """Array: groups of customers by their shares and their returns, the mean grade beside.

    Parameters
    ----------
    answers : any frame
        grade, returned and the column `by`.
    by : str
        Column that names the group.
    level : float
        Coverage: normal for the mean grade, Wilson for the share that returned.

    Returns
    -------
    pandas.DataFrame, one row a group
        group, customers, disappointed (share of grades 1 and 2), very_satisfied (share of grade 5), mean_grade,
        mean_low, mean_high, returned, returned_low, returned_high; intervals are NaN for fewer than 30 customers.

    Raises
    ------
    MissingColumnsError, DataError
    """
    import pandas as pd
    from scipy.stats import norm
    from statsmodels.stats.proportion import proportion_confint

    require_level(level)
    table = checked(answers, "returned", by)
    rows = []
    for name, group in table.groupby(by):
        n, grade = len(group), group["grade"]
        half = norm.ppf(0.5 + level / 2) * grade.std() / np.sqrt(n) if n >= FEWEST else np.nan
        back = int(group["returned"].sum())
        ends = proportion_confint(back, n, alpha=1 - level, method="wilson") if n >= FEWEST else (np.nan, np.nan)
        mean = grade.mean()
        rows.append(
            (name, n, (grade <= 2).mean(), (grade == 5).mean(), mean, mean - half, mean + half, back / n, *ends)
        )
    names = ["group", "customers", "disappointed", "very_satisfied", "mean_grade", "mean_low", "mean_high"]
    return pd.DataFrame(rows, columns=[*names, "returned", "returned_low", "returned_high"])


def score_line(answers: Any) -> pd.DataFrame:
    """Array: what a score with equal steps makes of the return by grade, and whether it fits.

    A logistic regression of the return on the grade as a number, against one with a share for each grade.

    Parameters
    ----------
    answers : any frame
        grade, returned.

    Returns
    -------
    pandas.DataFrame, one row a grade that was given
        grade, observed, line (shares that return), p_value (the same in all rows: likelihood-ratio test of
        equal steps on the logit scale; NaN for fewer than three grades).

    Raises
    ------
    MissingColumnsError
    DataError
        No answers, one grade only, or everybody or nobody returned.
    """
    import statsmodels.api as sm
    from scipy.special import xlogy
    from scipy.stats import chi2

    table = checked(answers, "returned")
    cells = table.groupby("grade")["returned"].agg(["size", "sum"]).astype(float)
    if len(cells) < 2 or table["returned"].nunique() < 2:
        raise DataError("a line needs two grades, and customers who returned and who did not; take more answers")
    pairs = np.column_stack([cells["sum"], cells["size"] - cells["sum"]])
    grade = cells.index.to_numpy(dtype=float)
    observed = (cells["sum"] / cells["size"]).to_numpy()
    line = observed  # two grades lie on a line in any case
    if len(cells) > 2:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where a grade parts who returned from who did not, the limit is right
            model = sm.GLM(pairs, sm.add_constant(grade), family=sm.families.Binomial())
            line = np.asarray(model.fit().fittedvalues)
    expected = cells["size"].to_numpy()[:, None] * np.column_stack([line, 1 - line])
    deviance = 2 * np.sum(xlogy(pairs, np.where(pairs > 0, pairs / np.where(expected > 0, expected, 1), 1)))
    free = len(cells) - 2
    p_value = float(chi2.sf(deviance, free)) if free else np.nan
    made = cells.reset_index()[["grade"]].assign(observed=observed, line=line)
    return made.assign(p_value=p_value)


def cuts_of_largest(cuts: pd.DataFrame, answers: Any, by: str, *, otherwise: str) -> pd.DataFrame:
    """Array: rows of `odds_by_cut` of the category with most answers that has a ratio, or else of another driver.

    Parameters
    ----------
    cuts : pandas.DataFrame
    answers : any frame
        grade and the column `by`.
    by, otherwise : str
        Driver with categories, and the one that is taken where none of them has a ratio.
    """
    found = cuts.dropna(subset="odds_ratio")
    named = [f"{by}: {name}" for name in checked(answers, by)[by].value_counts().index]
    term = next((name for name in named if name in set(found["driver"])), otherwise)
    return found[found["driver"] == term]


def checked(answers: Any, *columns: str) -> pd.DataFrame:
    """Answers as a pandas frame, refused where they cannot be graded.

    Raises
    ------
    MissingColumnsError
    DataError
        No answers, missing values, or a grade that is not 1 to 5.
    """
    table = to_pandas(wrap(answers, ("grade", *columns), table="answers").to_native())
    if table.empty:
        raise DataError("there are no answers; take a source with graded cases")
    if table.isna().any(axis=None):
        names = ", ".join(str(name) for name in table if table[name].isna().any())
        raise DataError(f"{names} is missing for some answers; leave those answers out")
    wrong = int((~table["grade"].isin(list(GRADES))).sum())
    if wrong:
        raise DataError(f"{wrong} grades are not 1 to 5; map your scale to 1 (very disappointed) to 5 (very satisfied)")
    if "returned" in columns:
        table["returned"] = table["returned"].astype(bool)
    return table
