"""Retention by cohort: who came, who came back, and what they were worth.

A cohort is the set of customers whose first order fell in the same calendar period; a customer's
age is counted in periods since then, the first being 0. In a shop without contracts nobody says
goodbye, so what is observed is the *active share*, the part of a cohort that ordered in a period:
it can rise again, and it is no survival curve. A survival curve needs an event that is seen, such
as the second order, or the end of a contract: `contractual`, `hazards` and `projection` are for
customers who renew, `revenue` for the money of either kind, `worth` and `spending` for what keeping and
winning them may cost, and `heterogeneity` for why retention rises although no customer changes.

References
----------
Wilson, E. B. (1927), Probable inference, JASA 22, 209-212.
Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, 873-890, method 10.
Holm, S. (1979), A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6, 65-70.
Kaplan, E. L., & Meier, P. (1958), Nonparametric estimation from incomplete observations, JASA 53.
"""

from crmlib.cohorts import conclusions, contract_conclusions
from crmlib.cohorts.changes import revenue_bridge, revenue_changes, revenue_retention
from crmlib.cohorts.conclusions import cohort_name, completed_ages
from crmlib.cohorts.contractual import LogRank, contract_spells, log_rank, renewals_made
from crmlib.cohorts.hazards import CoxRegression, cox_regression
from crmlib.cohorts.heterogeneity import retention_by_kind, retention_by_renewal, simulated_contracts
from crmlib.cohorts.projection import projection_errors, published_survivors, retention_projections
from crmlib.cohorts.proportionality import proportionality, ratios_by_tenure
from crmlib.cohorts.revenue import revenue_shares, revenue_triangle
from crmlib.cohorts.shares import cohort_comparison, pooled_retention, retention_intervals, returned_triangle
from crmlib.cohorts.spending import Effort, customer_equity, response, spending_plan
from crmlib.cohorts.survival import curve_at, groups_at, survival_by_group, survival_curve
from crmlib.cohorts.tables import customer_activity, retention_triangle, second_order_times
from crmlib.cohorts.truth import true_active_share
from crmlib.cohorts.value import customer_value
from crmlib.cohorts.worth import constant_rate_worth, retention_point_worth

__all__ = [
    "CoxRegression",
    "Effort",
    "LogRank",
    "cohort_comparison",
    "cohort_name",
    "completed_ages",
    "conclusions",
    "constant_rate_worth",
    "contract_conclusions",
    "contract_spells",
    "cox_regression",
    "curve_at",
    "customer_activity",
    "customer_equity",
    "customer_value",
    "groups_at",
    "log_rank",
    "pooled_retention",
    "projection_errors",
    "proportionality",
    "published_survivors",
    "ratios_by_tenure",
    "renewals_made",
    "response",
    "retention_by_kind",
    "retention_by_renewal",
    "retention_intervals",
    "retention_point_worth",
    "retention_projections",
    "retention_triangle",
    "returned_triangle",
    "revenue_bridge",
    "revenue_changes",
    "revenue_retention",
    "revenue_shares",
    "revenue_triangle",
    "second_order_times",
    "simulated_contracts",
    "spending_plan",
    "survival_by_group",
    "survival_curve",
    "true_active_share",
]
