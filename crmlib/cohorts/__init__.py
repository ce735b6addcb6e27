"""Retention by cohort: who came, who came back, and what they were worth.

A cohort is the set of customers whose first order fell in the same calendar period; a customer's
age is counted in periods since then, the first being 0. In a shop without contracts nobody says
goodbye, so what is observed is the *active share*, the part of a cohort that ordered in a period:
it can rise again, and it is no survival curve. A survival curve needs an event that is seen, such
as the second order.

References
----------
Wilson, E. B. (1927), Probable inference, JASA 22, 209-212.
Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, 873-890, method 10.
Holm, S. (1979), A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6, 65-70.
Kaplan, E. L., & Meier, P. (1958), Nonparametric estimation from incomplete observations, JASA 53.
"""

from crmlib.cohorts import conclusions
from crmlib.cohorts.conclusions import cohort_name, completed_ages
from crmlib.cohorts.shares import cohort_comparison, pooled_retention, retention_intervals, returned_triangle
from crmlib.cohorts.survival import curve_at, survival_curve
from crmlib.cohorts.tables import customer_activity, retention_triangle, second_order_times
from crmlib.cohorts.truth import true_active_share
from crmlib.cohorts.value import customer_value

__all__ = [
    "cohort_comparison",
    "cohort_name",
    "completed_ages",
    "conclusions",
    "curve_at",
    "customer_activity",
    "customer_value",
    "pooled_retention",
    "retention_intervals",
    "retention_triangle",
    "returned_triangle",
    "second_order_times",
    "survival_curve",
    "true_active_share",
]
