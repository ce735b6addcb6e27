"""Which ways do customers take before they buy? Rates of journeys against all others, and times with intervals.

`crmlib.attribution` counts lengths, next steps, paths and times. Here each group of journeys is set against all others,
and times are bounded: what a count is worth, and what it does not say.
"""

from crmlib.paths import conclusions
from crmlib.paths.rates import channel_presence, rate_comparison, time_quantiles

__all__ = ["channel_presence", "conclusions", "rate_comparison", "time_quantiles"]
