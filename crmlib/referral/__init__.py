"""Referral: how many customers a customer brings, how fast, what one of them is worth, and what to pay for it.

Three habits mislead. Counting all referred over all customers takes the young for people who never will; the mean of
the cycles seen so far knows only those that were short enough to be seen; and who was referred differs from others
before referral has done anything. `reproduction_number`, `cycle_time` and `worth_difference` say what can be
done about each, and `true_worth` what cannot.

References
----------
Schmitt, P., Skiera, B., & Van den Bulte, C. (2011), Referral programs and customer value, Journal of Marketing
    75(1), 46-59.
Lawless, J. F., & Nadeau, C. (1995), Some simple robust methods for the analysis of recurrent events, Technometrics
    37, 158-168.
Harris, T. E. (1963), The theory of branching processes, Springer.
"""

from crmlib.referral import conclusions
from crmlib.referral.base import ReferralBase, referral_base
from crmlib.referral.cycle import cycle_distribution, cycle_time
from crmlib.referral.growth import generation_sizes, growth_curve, growth_multiplier, growth_rate, renewal
from crmlib.referral.invitations import acceptance_rate, referrer_concentration
from crmlib.referral.links import STATUSES, judged_referrals, referrer_histories
from crmlib.referral.reproduction import reproduction_curve, reproduction_number
from crmlib.referral.returns import anyway_sweep, net_by_reward, programme_return
from crmlib.referral.truth import (
    NEEDED,
    against_truth,
    referral_tables,
    referring_firm,
    true_cycle,
    true_reproduction,
    true_worth,
)
from crmlib.referral.worth import OUTCOMES, early_value, valued_customers, worth_difference

__all__ = [
    "NEEDED",
    "OUTCOMES",
    "STATUSES",
    "ReferralBase",
    "acceptance_rate",
    "against_truth",
    "anyway_sweep",
    "conclusions",
    "cycle_distribution",
    "cycle_time",
    "early_value",
    "generation_sizes",
    "growth_curve",
    "growth_multiplier",
    "growth_rate",
    "judged_referrals",
    "net_by_reward",
    "programme_return",
    "referral_base",
    "referral_tables",
    "referrer_concentration",
    "referrer_histories",
    "referring_firm",
    "renewal",
    "reproduction_curve",
    "reproduction_number",
    "true_cycle",
    "true_reproduction",
    "true_worth",
    "valued_customers",
    "worth_difference",
]
