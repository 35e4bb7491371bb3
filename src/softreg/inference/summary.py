"""summary: coefficients with their standard errors, tests and intervals, and how well the model fits.

    covariance of the parameters = H⁻¹                              "observed"
                                 = H⁻¹ (Σ_i w_i² s_i s_iᵀ) H⁻¹      "sandwich" (Huber 1967; White 1982)

H is the Hessian of the penalised negative log-likelihood F at the model's coefficients, and s_i the score of row i; see
`softreg.inference.information`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softreg.errors import SettingError
from softreg.inference.design import MAX_BYTES, Design, design
from softreg.inference.information import null_log_likelihood
from softreg.inference.layout import Layout, figures, p_figure, plain
from softreg.inference.optimum import at_optimum
from softreg.inference.report import contrast, report
from softreg.inference.table import Table
from softreg.inference.wald import Wald, check_level

__all__ = ["Summary", "summary"]

COVARIANCES = {"observed": "observed information", "sandwich": "sandwich (robust)"}

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Summary(Wald):
    """What a fit says of its coefficients. Arrays are (classes, terms): of `classes` and `terms`.

    Printed, it is a table for a person; `table` is one for a program.
    """

    coefficients: Array  # in the units of the caller's X, as contrasts
    standard_errors: Array
    covariance: Array  # (classes · terms, classes · terms), in the order of the table
    classes: NDArray[Any]  # that coefficients are given for
    terms: tuple[str, ...]
    base: Any  # the class that they are compared with; None where it is the mean of all
    level: float  # of the confidence intervals
    covariance_type: str
    log_likelihood: float  # Σ w log p(y), without the penalty
    null_log_likelihood: float  # of the intercepts alone (and offsets), without a penalty
    n_rows: int  # with a weight above 0
    weight: float  # Σw
    n_parameters: int
    df: float  # effective parameters: as many as there are, or fewer under a penalty
    penalised: bool
    intercept: bool
    distance: float  # of the coefficients from those that fit best, in standard errors
    all_classes: NDArray[Any]
    outcome: str  # what labels, weights and offsets these were: equal ones have equal texts

    @property
    def estimates(self) -> Array:
        """The coefficients."""
        return self.coefficients

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 df − 2 log-likelihood."""
        return 2 * self.df - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, df log Σw − 2 log-likelihood: weights count as repetitions."""
        return self.df * float(np.log(self.weight)) - 2 * self.log_likelihood

    @property
    def pseudo_r2(self) -> float:
        """McFadden's 1 − log-likelihood / null log-likelihood."""
        return 1 - self.log_likelihood / self.null_log_likelihood

    @property
    def df_residual(self) -> float:
        """Σw less the degrees of freedom of the model."""
        return self.weight - self.df

    @property
    def table(self) -> Table:
        """One row a coefficient."""
        C, q = self.coefficients.shape
        intervals = self.intervals.reshape(-1, 2)
        columns = {
            "class": np.repeat(self.classes, q),
            "term": np.tile(np.array(self.terms), C),
            "estimate": self.coefficients.ravel(),
            "std_error": self.standard_errors.ravel(),
            "z": self.z.ravel(),
            "p_value": self.p_values.ravel(),
            "low": intervals[:, 0],
            "high": intervals[:, 1],
        }
        return Table(columns)

    @property
    def layout(self) -> Layout:
        """What is printed."""
        against = "the mean of all classes" if self.base is None else f"class {plain(self.base)}"
        facts = [
            ("Rows", f"{self.n_rows}"),
            ("Sum of weights", f"{self.weight:.10g}"),
            ("Classes", f"{len(self.all_classes)}"),
            ("Degrees of freedom", f"{self.df:.6g}"),
            ("Covariance", COVARIANCES[self.covariance_type]),
            ("Log-likelihood", f"{self.log_likelihood:.4f}"),
            ("Null log-likelihood", f"{self.null_log_likelihood:.4f}"),
            ("McFadden's pseudo-R²", f"{self.pseudo_r2:.4f}"),
            ("AIC", f"{self.aic:.4f}"),
            ("BIC", f"{self.bic:.4f}"),
        ]
        z, p, intervals = self.z, self.p_values, self.intervals
        sections = []
        for k, label in enumerate(self.classes.tolist()):
            rows = []
            for j, term in enumerate(self.terms):
                low, high = intervals[k, j]
                estimate, error = self.coefficients[k, j], self.standard_errors[k, j]
                first, second, third, fourth = figures(error, estimate, error, low, high)
                rows.append((plain(term), first, second, f"{z[k, j]:.2f}", p_figure(p[k, j]), third, fourth))
            sections.append((plain(label), tuple(rows)))
        notes = []
        if self.penalised:
            notes.append("Penalised: estimates are drawn towards 0, and standard errors leave that bias out.")
        if self.distance > 0.01:
            notes.append(f"The coefficients are up to {self.distance:.2g} standard errors from the best ones.")
        percent = f"{100 * self.level:g} %"
        columns = ("", "estimate", "std. error", "z", "p", f"{percent} low", "high")
        title = f"Softmax regression: coefficients against {against}"
        return Layout(title, tuple(facts), columns, tuple(sections), tuple(notes))

    def __str__(self) -> str:
        return self.layout.text()

    def __repr__(self) -> str:
        return (
            f"Summary({len(self.all_classes)} classes, {len(self.terms)} terms, "
            f"log-likelihood {self.log_likelihood:.6g}): print it, or take its table"
        )

    def _repr_html_(self) -> str:
        return self.layout.html()


def summary(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    contrasts: str = "base",
    base: Any = None,
    covariance: str = "observed",
    level: float = 0.95,
    max_bytes: int = MAX_BYTES,
) -> Summary:
    """Standard errors, tests and intervals of a model's coefficients, and figures of its fit.

    The coefficients are the model's, against a base class or against the mean of all, in the units of X. Standard
    errors are those of maximum likelihood, so the model has to be at the optimum of these rows:
    `Settings.for_inference()` makes one, `polish` takes one there, and one that is a little off gives a warning with
    the distance in standard errors.

    Parameters
    ----------
    model : Model, or an estimator that holds one as `model_`
        Of an estimator the weights of classes are taken too, as they were in its fit.
    X : (n, d) array of numbers
        The rows that the model was fitted on.
    y : (n,) array of labels, or (n, K) array of class probabilities or counts
        As they were in the fit. A row of counts is as many rows with one label each.
    sample_weight : (n,) array, optional
        Those of the fit. A row of weight 2 counts as two rows in the information, the log-likelihood and BIC.
    offset : (n, K) array, optional
        Those of the fit; of two classes (n,), that of the second. The null model has them too.
    contrasts : {"base", "sum"}
        Coefficients θ_k − θ_base of the other classes, or θ_k − mean over the classes of all (they sum to 0).
    base : label, optional
        The class to compare with; by default the first.
    covariance : {"observed", "sandwich"}
        The inverse of the observed information; or the sandwich that holds where the model does not, without a
        small-sample factor (HC0). Its weights are those of R's `sandwich`: a row's score enters as w s, its square as
        w², which is right for weights of sampling. For counts of repeated rows, repeat the rows.
    level : float
        Of the confidence intervals, in (0, 1).
    max_bytes : int
        Memory that the information matrix may take.

    Returns
    -------
    Summary
        Under an L2 penalty the covariance is the inverse of the penalised Hessian: that of the posterior's normal
        approximation, if the penalty is a prior. It is the spread of the estimates around their own, biased, mean at
        most; intervals do not cover the true coefficients as often as they say. `df` is then the trace of the
        likelihood's information times that inverse (Gray 1992), and AIC and BIC are made of it.

    Raises
    ------
    InferenceError
        With an L1 penalty, or where the information matrix would be too large; or one of those below it:
    SingularInformationError
        Where columns are constant or linearly dependent: names them.
    SeparatedError
        Where classes are separated, so that no finite estimate exists: names them.
    NotAtOptimumError
        Where the model is more than one standard error from the best one.
    DataError, SettingError
        Where rows, labels or settings are not such as these.

    Warns
    -----
    InferenceWarning
        Where the model is more than a hundredth of a standard error from the best one.

    Examples
    --------
    >>> import numpy as np
    >>> from softreg import Dataset, Settings, fit
    >>> hours = np.array([[0.5], [1.0], [1.5], [2.0], [2.5], [3.0], [3.5], [4.0]])
    >>> passed = np.array(["no", "no", "yes", "no", "yes", "no", "yes", "yes"])
    >>> model, _ = fit(Dataset.from_labels(hours, passed, feature_names=["hours"]), Settings.for_inference())
    >>> found = summary(model, hours, passed)
    >>> found.coefficients.round(4), found.standard_errors.round(4)
    (array([[-2.6734,  1.1882]]), array([[2.1207, 0.8645]]))
    """
    if covariance not in COVARIANCES:
        raise SettingError("covariance", covariance, f"one of {', '.join(map(repr, COVARIANCES))}")
    check_level(level)
    rows = design(model, X, y, sample_weight, offset, max_bytes)
    matrix, shown, against = contrast(rows, contrasts, base)
    found = at_optimum(rows, meat=covariance == "sandwich")
    moments, C = found.moments, found.covariance
    df = float(len(C))
    if rows.penalty > 0:
        df = float(np.vdot(moments.likelihood_information, C))
    if covariance == "sandwich":
        C = C @ moments.meat @ C
    coefficients, C, terms = report(rows, matrix, rows.V, C)
    return Summary(
        coefficients=coefficients,
        standard_errors=np.sqrt(np.diagonal(C)).reshape(coefficients.shape),
        covariance=C,
        classes=shown,
        terms=terms,
        base=against,
        level=level,
        covariance_type=covariance,
        log_likelihood=moments.log_likelihood,
        null_log_likelihood=null_log_likelihood(rows),
        n_rows=rows.n_rows,
        weight=rows.weight,
        n_parameters=len(rows.free) * rows.n_terms,
        df=df,
        penalised=rows.penalty > 0,
        intercept=rows.intercept,
        distance=found.distance,
        all_classes=rows.data.classes,
        outcome=_outcome(rows),
    )


def _outcome(rows: Design) -> str:
    """Return a digest of labels, weights and offsets, by which results on the same rows are known."""
    data = rows.data
    digest = hashlib.sha256(data.y.tobytes())
    if data.weights is not None and np.ptp(data.weights):
        digest.update(data.weights.tobytes())
    for more in (data.targets, data.offset):
        digest.update(b"" if more is None else b";" + more.tobytes())
    return digest.hexdigest()
