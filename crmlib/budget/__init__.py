"""How should the acquisition budget be split, when does a channel's customer pay back? What money brings, and when.

Customers are followed by the channel that won them: whether they stay, what they bring in, when that has paid for
winning them. Who is a channel's customer is for others to say: the firm's record, a rule's credit, or the truth. What
more money would bring is read from weeks of spend, whose returns diminish.

References
----------
Bang, H., & Tsiatis, A. A. (2000), Estimating medical costs with censored data, Biometrika 87, 329-343.
Jin, Y., Wang, Y., Sun, Y., Chan, D., & Koehler, J. (2017), Bayesian methods for media mix modeling with carryover and
    shape effects, Google Inc.
Smith, J. E., & Winkler, R. L. (2006), The optimizer's curse: skepticism and postdecision surprise in decision
    analysis, Management Science 52, 311-322.
"""

from crmlib.budget import conclusions
from crmlib.budget.ages import order_margins
from crmlib.budget.allocation import best_budget
from crmlib.budget.differences import margin_comparison, retention_comparison
from crmlib.budget.payback import channel_returns, payback_times
from crmlib.budget.response import ResponseCurves, response_curves
from crmlib.budget.values import ChannelValues, channel_values
from crmlib.budget.weeks import spend_costs, spend_weeks

__all__ = [
    "ChannelValues",
    "ResponseCurves",
    "best_budget",
    "channel_returns",
    "channel_values",
    "conclusions",
    "margin_comparison",
    "order_margins",
    "payback_times",
    "response_curves",
    "retention_comparison",
    "spend_costs",
    "spend_weeks",
]
