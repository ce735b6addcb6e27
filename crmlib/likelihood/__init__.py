"""Maximum likelihood for models whose rows repeat: the foundation of all lifetime-value models.

A model states the log-likelihood of a row and its derivatives; here it is maximised on statsmodels'
`GenericLikelihoodModel`. Positive parameters are searched on the log scale, identical rows are
grouped and weighted first, and what comes back is on the natural scale: `params`, `bse`,
`conf_int()`, `summary()`.

References
----------
Davison, A. C. (2003), Statistical Models, Cambridge University Press, chapter 4: likelihood, the
    delta method and profile likelihood.
"""

from crmlib.likelihood.model import Effect, LikelihoodModel
from crmlib.likelihood.results import LikelihoodResults
from crmlib.likelihood.rows import Rows, distinct_rows

__all__ = ["Effect", "LikelihoodModel", "LikelihoodResults", "Rows", "distinct_rows"]
