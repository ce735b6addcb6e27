"""Customer margin: who brings in more than they cost, and what letting the others go would do.

Activity-based costing charges each customer with what they set in motion: orders, lines, returns, contacts.
Part of that cost is saved when the customer leaves (avoidable), part stays and is only shared out (allocated).
Avoidable cost decides, allocated cost explains; the two are the whole. Margins of a period are partly luck, so
customers are chosen on one period and judged on the next. Letting go is one lever of several: `levers` judges it beside
price, minimum order and channel, `rivals` what it lets happen to the best, `options` what the lowest may become.

References
----------
Cooper, R., & Kaplan, R. S. (1991), Profit priorities from activity-based costing, HBR 69(3), 130-135.
Kaplan, R. S., & Narayanan, V. G. (2001), Measuring and managing customer profitability, J. Cost Management 15(5).
Subramanian, U., Raju, J. S., & Zhang, Z. J. (2014), The strategic value of high-cost customers, Management Science
    60(2), 494-507.
"""

from crmlib.profitability import conclusions, decisions
from crmlib.profitability.activities import Activity, activities
from crmlib.profitability.changes import (
    avoidable_rate,
    channel_change,
    minimum_order_change,
    next_period,
    price_change,
    small_orders,
)
from crmlib.profitability.drivers import driver_quantities
from crmlib.profitability.firing import death_spiral, firing_curve
from crmlib.profitability.levers import Lever, decision_table, lever
from crmlib.profitability.losses import Unprofitable, unprofitable
from crmlib.profitability.margin import customer_margin
from crmlib.profitability.measures import lever_comparison
from crmlib.profitability.migration import Rise, migration_matrix, quantile_groups, rise
from crmlib.profitability.options import option_value
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
    gain_curve,
    poaching_break_even,
)
from crmlib.profitability.pyramid import (
    TIERS,
    behavioural_needs,
    customer_pyramid,
    pyramid_tiers,
    standout_need,
    value_needs_matrix,
)
from crmlib.profitability.rivals import poaching_simulation
from crmlib.profitability.sensitivity import cost_sensitivity
from crmlib.profitability.statement import income_statement, per_hundred
from crmlib.profitability.truth import selection_truth, true_margins
from crmlib.profitability.whale import WhalePeak, whale_band, whale_curve, whale_peak

__all__ = [
    "TIERS",
    "Activity",
    "BreakEven",
    "Lever",
    "Persistence",
    "Rise",
    "Unprofitable",
    "WhalePeak",
    "activities",
    "avoidable_rate",
    "behavioural_needs",
    "best_customers",
    "channel_change",
    "conclusions",
    "cost_sensitivity",
    "customer_margin",
    "customer_pyramid",
    "death_spiral",
    "decision_table",
    "decisions",
    "driver_quantities",
    "firing_curve",
    "gain_curve",
    "income_statement",
    "judging_day",
    "lever",
    "lever_comparison",
    "loss_persistence",
    "migration_matrix",
    "minimum_order_change",
    "next_period",
    "option_value",
    "paired_margins",
    "per_hundred",
    "poaching_break_even",
    "poaching_simulation",
    "price_change",
    "pyramid_tiers",
    "quantile_groups",
    "regression_to_mean",
    "rise",
    "selection_truth",
    "small_orders",
    "standout_need",
    "true_margins",
    "unprofitable",
    "value_needs_matrix",
    "whale_band",
    "whale_curve",
    "whale_peak",
]
