"""Customer lifetime value: what customers will still bring in, how well that is known, and whether to trust it.

Value = discounted expected transactions × expected value of an order × margin. A fitted model of repeat
purchases, or of a contract's renewals, gives the first, a gamma-gamma model the second; the two are
independent by assumption, which the health card checks. What a *customer* may bring in is shown with a
prediction interval; the total of a *base* with parameter and process variance.

References
----------
Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005), RFM and CLV: using iso-value curves for customer base
    analysis, Journal of Marketing Research 42, 415-430.
"""

from crmlib.clv import conclusions
from crmlib.clv.contracts import cohort_holdout
from crmlib.clv.evaluation import holdout_calibration, holdout_evaluation, prediction_coverage
from crmlib.clv.fitting import CustomerModels, customer_models
from crmlib.clv.frequencies import frequency_table, renewal_table, spend_table
from crmlib.clv.health import health_card
from crmlib.clv.scenarios import keeping_ceilings, order_value_by_frequency, value_scenarios
from crmlib.clv.spending import spend_evaluation, spend_slope
from crmlib.clv.tracking import cumulative_purchases
from crmlib.clv.truth import true_value
from crmlib.clv.value import base_value, continuous_rate, customer_lifetime_value

__all__ = [
    "CustomerModels",
    "base_value",
    "cohort_holdout",
    "conclusions",
    "continuous_rate",
    "cumulative_purchases",
    "customer_lifetime_value",
    "customer_models",
    "frequency_table",
    "health_card",
    "holdout_calibration",
    "holdout_evaluation",
    "keeping_ceilings",
    "order_value_by_frequency",
    "prediction_coverage",
    "renewal_table",
    "spend_evaluation",
    "spend_slope",
    "spend_table",
    "true_value",
    "value_scenarios",
]
