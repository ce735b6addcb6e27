"""What a fit gives: natural-scale estimates with standard errors and intervals."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.likelihood.model import LikelihoodModel

Floats = NDArray[np.float64]

#: A standard error of a logarithm above this means that a Wald interval cannot be trusted.
VAGUE = 1.0


class LikelihoodResults:
    """Fitted model.

    Attributes
    ----------
    model : LikelihoodModel
    free : float array
        Estimates on the free scale: logarithms of the positive parameters, then coefficients.
    information : float array
        Observed information there.
    llf : float
        Log-likelihood at the maximum.
    nobs : float
        Number of customers.
    """

    def __init__(self, model: LikelihoodModel, free: Floats, information: Floats) -> None:
        self.model, self.free, self.information = model, free, information
        self.nobs = model.nobs
        self.llf = model.totals(free)[0]

    @property
    def params(self) -> pd.Series:
        """Estimates on the natural scale, in the model's order."""
        return self._named(self.model.natural(self.free))

    @cached_property
    def free_cov(self) -> Floats:
        """Covariance of the free-scale estimates; directions of which the data say nothing have variance 0."""
        from crmlib.likelihood.search import generalised_inverse

        return generalised_inverse(self.information)

    @cached_property
    def boundary(self) -> tuple[str, ...]:
        """Parameters that ran towards 0 or infinity: some flat direction of the likelihood moves them."""
        from crmlib.likelihood.search import flat_below, spectrum

        values, vectors = spectrum(self.information)
        flat = np.abs(vectors[:, values <= flat_below(values)]).max(axis=1, initial=0.0) > 1e-3
        flat |= np.sqrt(np.diag(self.free_cov)) > 3 * VAGUE
        return tuple(name for name, far in zip(self.model.param_names, flat, strict=True) if far)

    @property
    def bse(self) -> pd.Series:
        """Standard errors on the natural scale (delta method); NaN for parameters at a boundary."""
        error = self._named(np.sqrt(np.diag(self.free_cov)) * self._slopes)
        error[list(self.boundary)] = np.nan
        return error

    @property
    def cov(self) -> pd.DataFrame:
        """Covariance of the estimates on the natural scale (delta method)."""
        import pandas as pd

        names = list(self.model.param_names)
        return pd.DataFrame(self.free_cov * np.outer(self._slopes, self._slopes), names, names)

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return float(2 * len(self.free) - 2 * self.llf)

    @property
    def bic(self) -> float:
        """Schwarz's information criterion, on the number of customers."""
        return float(np.log(self.nobs) * len(self.free) - 2 * self.llf)

    def conf_int(self, level: float = 0.95, *, method: str = "auto") -> pd.DataFrame:
        """Intervals of the parameters on the natural scale.

        Parameters
        ----------
        level : float
        method : {"auto", "wald", "profile"}
            `wald`: on the log scale, exponentiated. `profile`: all values that a likelihood-ratio test does
            not refuse, the other parameters at their best for each. `auto`: profile for parameters whose
            logarithm is vague (standard error above 1) or that are at a boundary, else Wald.

        Returns
        -------
        pandas.DataFrame, one row a parameter
            low, high; 0 or infinity where the data do not bound it.

        Raises
        ------
        ParameterError
        """
        import pandas as pd
        from scipy.stats import norm

        from crmlib.likelihood.profile import profile_ends

        require_level(level)
        if method not in ("auto", "wald", "profile"):
            raise ParameterError(f"method is {method!r}; use auto, wald or profile")
        error = np.sqrt(np.diag(self.free_cov))
        step = norm.ppf(0.5 + level / 2) * error
        low, high = self.free - step, self.free + step
        for i, name in enumerate(self.model.param_names):
            vague = i < len(self.model.names) and error[i] > VAGUE
            if method == "profile" or (method == "auto" and (vague or name in self.boundary)):
                low[i], high[i] = profile_ends(self.model, self.free, self.information, i, level)
        table = {"low": self.model.natural(low), "high": self.model.natural(high)}
        return pd.DataFrame(table, index=list(self.model.param_names))

    def summary(self, level: float = 0.95) -> Any:
        """Table of the fit in statsmodels' style; print it, or show it in a notebook.

        Positive parameters have no z statistic: zero is a boundary and no hypothesis. Coefficients have one.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        from scipy.stats import norm
        from statsmodels.iolib.summary import Summary
        from statsmodels.iolib.table import SimpleTable

        error, ends = self.bse, self.conf_int(level)
        rows = []
        for i, (name, value) in enumerate(zip(self.model.param_names, self.params, strict=True)):
            test = ["", ""]
            if i >= len(self.model.names):
                z = value / error[name]
                test = [f"{z:.3f}", f"{2 * norm.sf(abs(z)):.3f}"]
            cells = [f"{number:.4g}" for number in (value, error[name])]
            rows.append([*cells, *test, *(f"{end:.4g}" for end in ends.loc[name])])
        tail = (1 - level) / 2
        heads = ["coef", "std err", "z", "P>|z|", f"[{tail:.3g}", f"{1 - tail:.3g}]"]
        top = [
            ["Model:", type(self.model).__name__, "Log-Likelihood:", f"{self.llf:.2f}"],
            ["Method:", "Maximum Likelihood", "AIC:", f"{self.aic:.1f}"],
            ["No. Customers:", f"{self.nobs:,.0f}", "BIC:", f"{self.bic:.1f}"],
            ["Distinct rows:", f"{len(self.model.weights):,}", "At a boundary:", ", ".join(self.boundary) or "none"],
        ]
        page = Summary()
        page.tables += [
            SimpleTable(top, title=f"{type(self.model).__name__} Results"),
            SimpleTable(rows, headers=heads, stubs=list(self.model.param_names)),
        ]
        page.add_extra_txt([f"Intervals at {100 * level:g} %; standard errors by the delta method."])
        return page

    def delta_errors(self, value: Callable[[Floats], Floats]) -> Floats:
        """Standard error of functions of the parameters (delta method).

        Parameters
        ----------
        value : callable
            From free-scale parameters to an array of any shape.

        Returns
        -------
        float array of that shape
        """
        slopes = self.slopes(value)
        return np.sqrt(np.einsum("i...,ij,j...->...", slopes, self.free_cov, slopes).clip(0))

    def slopes(self, value: Callable[[Floats], Floats]) -> Floats:
        """Derivatives of a function of the free-scale parameters, shape (parameters, …), by central differences."""
        step = 1e-4
        columns = []
        for i in range(len(self.free)):
            shift = step * (np.arange(len(self.free)) == i)
            columns.append((value(self.free + shift) - value(self.free - shift)) / (2 * step))
        return np.stack(columns)

    def expectation_table(self, value: Callable[[Floats], Floats], level: float) -> pd.DataFrame:
        """Positive expectations with delta-method intervals on the log scale: expected, low, high."""
        import pandas as pd
        from scipy.stats import norm

        require_level(level)
        expected = np.atleast_1d(value(self.free))
        error = np.atleast_1d(self.delta_errors(value))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.exp(norm.ppf(0.5 + level / 2) * np.where(expected > 0, error / expected, 0.0))
        return pd.DataFrame({"expected": expected, "low": expected / step, "high": expected * step})

    @property
    def _slopes(self) -> Floats:
        return self.model._steps(self.free)

    def _named(self, values: ArrayLike) -> pd.Series:
        import pandas as pd

        return pd.Series(np.asarray(values, dtype=float), index=list(self.model.param_names))
