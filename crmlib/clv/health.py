"""The health card of a fit: what was checked, what came out, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.clv.checks import of_fit, of_holdout, of_spend, of_spend_holdout
from crmlib.errors import ParameterError
from crmlib.models import GammaGammaResults

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import ContractResults, TransactionResults

#: What a hold-out needs, besides the columns of counts, for order values to be judged by it.
_MONEY = {"monetary_value", "holdout_amount"}


def health_card(
    results: TransactionResults | ContractResults | GammaGammaResults,
    *,
    spend: GammaGammaResults | None = None,
    holdout: Any = None,
) -> pd.DataFrame:
    """Array: checks of a fit, each pass or warn, with what to do.

    Parameters
    ----------
    results : TransactionResults, ContractResults or GammaGammaResults
        Fitted model of repeat purchases or of renewals; or a spend model alone.
    spend : GammaGammaResults, optional
        Adds the checks of the spend model.
    holdout : frame, optional
        As `holdout_evaluation` takes it: adds the checks on a hold-out, and with monetary_value and holdout_amount
        that of order values.

    Returns
    -------
    pandas.DataFrame, one row a check
        check, status ("pass" or "warn"), value (what was measured), detail (a sentence), advice ("" for a pass).

        - convergence (of the spend model too): log-likelihood that a further step would gain, below 0.001;
        - repeat buyers: at least 100 customers came back; of contracts at least 100 left, and renewed;
        - number of purchases (renewals): at most 5 % of customers at a wrong one (not with covariates);
        - parameters at a boundary (of the spend model too): none, and every standard error of a logarithm at most 1;
        - hold-out total within 15 %; hold-out against naive: distinctly less squared error than every naive rule;
        - prediction intervals at 95 % hold at least 94 % of customers' numbers in the hold-out, but for chance;
        - calibration by frequency, by recency: mean error over groups at most 25 % of the mean;
        - spend independent of frequency: correlation at most 0.3 either way; mean spend by frequency: changes by not
          certainly more than 10 % with each doubling of the number of orders; repeat buyers at least 100; mean
          spend exists: q above 1, and 2 for a variance; order values of the hold-out within 15 %, and their prediction
          intervals as those of purchases.

    Raises
    ------
    DataError, MissingColumnsError
        A hold-out by which nothing can be judged.
    """
    import pandas as pd

    if isinstance(results, GammaGammaResults):
        if spend is not None:
            raise ParameterError("results is a spend model already; leave out spend")
        checks, spend = [], results
    else:
        checks = list(of_fit(results))
        if holdout is not None:
            checks += of_holdout(results, holdout)
    if spend is not None:
        checks += of_spend(spend)
        if holdout is not None and _has_money(holdout):
            checks += of_spend_holdout(spend, holdout)
    table = pd.DataFrame(checks)
    passed = table["passed"].astype(bool)
    table["advice"] = table["advice"].where(~passed, "")
    table["status"] = np.where(passed, "pass", "warn")
    return table[["check", "status", "value", "detail", "advice"]]


def _has_money(holdout: Any) -> bool:
    import narwhals.stable.v2 as nw

    return set(nw.from_native(holdout).collect_schema().names()) >= _MONEY
