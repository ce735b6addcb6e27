"""Customer margin: who brings in more than they cost, and what letting the others go would do.

Activity-based costing charges each customer with what they set in motion: orders, lines, returns, contacts.
Part of that cost is saved when the customer leaves (avoidable), part stays and is only shared out (allocated).
Avoidable cost decides, allocated cost explains; the two are the whole. Margins of a period are partly luck, so
customers are chosen on one period and judged on the next.

References
----------
Cooper, R., & Kaplan, R. S. (1991), Profit priorities from activity-based costing, HBR 69(3), 130-135.
Kaplan, R. S., & Narayanan, V. G. (2001), Measuring and managing customer profitability, J. Cost Management 15(5).
Subramanian, U., Raju, J. S., & Zhang, Z. J. (2014), The strategic value of high-cost customers, Management Science
    60(2), 494-507.
"""

from crmlib.profitability import conclusions
from crmlib.profitability.activities import Activity, activities
from crmlib.profitability.drivers import driver_quantities
from crmlib.profitability.firing import death_spiral, firing_curve
from crmlib.profitability.margin import customer_margin, income_statement, per_hundred
from crmlib.profitability.migration import Rise, migration_matrix, quantile_groups, rise
from crmlib.profitability.periods import (
    Persistence,
    judging_day,
    loss_persistence,
    paired_margins,
    regression_to_mean,
)
from crmlib.profitability.poaching import (
    BreakEven,
    best_customers,
    break_even_table,
    gain_curve,
    poaching_break_even,
)
from crmlib.profitability.sensitivity import cost_sensitivity
from crmlib.profitability.truth import selection_truth, true_margins
from crmlib.profitability.whale import (
    Unprofitable,
    WhalePeak,
    unprofitable,
    whale_band,
    whale_curve,
    whale_peak,
)

__all__ = [
    "Activity",
    "BreakEven",
    "Persistence",
    "Rise",
    "Unprofitable",
    "WhalePeak",
    "activities",
    "best_customers",
    "break_even_table",
    "conclusions",
    "cost_sensitivity",
    "customer_margin",
    "death_spiral",
    "driver_quantities",
    "firing_curve",
    "gain_curve",
    "income_statement",
    "judging_day",
    "loss_persistence",
    "migration_matrix",
    "paired_margins",
    "per_hundred",
    "poaching_break_even",
    "quantile_groups",
    "regression_to_mean",
    "rise",
    "selection_truth",
    "true_margins",
    "unprofitable",
    "whale_band",
    "whale_curve",
    "whale_peak",
]
