"""Satisfaction: how customers grade what they got, and whether the satisfied come back.

Grades are ordinal: "very satisfied" is more than "satisfied", but nobody knows how much. So shares and
models of order come first, and the mean grade, which takes the steps for equal, only stands beside them.

References
----------
McCullagh, P. (1980), Regression models for ordinal data, Journal of the Royal Statistical Society B 42, 109-142.
Jones, T. O., & Sasser, W. E. (1995), Why satisfied customers defect, Harvard Business Review 73(6), 88-99.
Mittal, V., & Kamakura, W. A. (2001), Satisfaction, repurchase intent, and repurchase behavior, Journal of Marketing
    Research 38, 131-142.
"""

from crmlib.satisfaction import conclusions
from crmlib.satisfaction.grades import GRADES, cuts_of_largest, grade_table, group_table, score_line
from crmlib.satisfaction.ordered import OrderedFit, odds_by_cut, ordered_fit
from crmlib.satisfaction.survey import RETURN_RATES, SimulatedSurvey, answered_cases, response_sweep, simulated_survey

__all__ = [
    "GRADES",
    "RETURN_RATES",
    "OrderedFit",
    "SimulatedSurvey",
    "answered_cases",
    "conclusions",
    "cuts_of_largest",
    "grade_table",
    "group_table",
    "odds_by_cut",
    "ordered_fit",
    "response_sweep",
    "score_line",
    "simulated_survey",
]
