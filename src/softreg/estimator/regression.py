"""SoftmaxRegression: the estimator that stands in for scikit-learn's LogisticRegression."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if

from softreg.errors import LabelError
from softreg.estimator import increments, rows, solves
from softreg.estimator.prediction import Classifier

__all__ = ["SoftmaxRegression"]


def _smooth(estimator: Any) -> bool:
    """Whether the penalty is, as minibatch steps need it."""
    return estimator.l1_ratio in (0, None) or np.inf == estimator.C


class SoftmaxRegression(CallbackSupportMixin, ClassifierMixin, SparseCoefMixin, Classifier, BaseEstimator):
    """Softmax regression (multinomial logistic regression), with scikit-learn's names and a certificate.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty 1/(C Σw) [(1 − l1_ratio)/2 ‖W‖² + l1_ratio ‖W‖₁], as in scikit-learn; inf for
        none. The intercept is not penalised.
    l1_ratio : float
        0 for L2 alone, 1 for L1 alone, between them an elastic net.
    tol : float
        Relative gap to the optimum that ends a fit, once it is certified. (scikit-learn's tol is another thing.) For
        "sgd", the relative fall of the value that counts as one.
    fit_intercept : bool
        Whether there is an intercept.
    class_weight : dict or "balanced", optional
        Weights of classes, which multiply those of their rows.
    random_state : int or RandomState, optional
        Of what is random: the order of minibatches, the rows of a validation part. None is the seed 0.
    solver : str or solver
        "auto" chooses by the problem; "lbfgs", "newton", "proximal" (for L1 and the elastic net) and "sgd" are
        softreg's; scikit-learn's "newton-cholesky", "newton-cg", "sag" and "saga" are taken for their nearest
        relatives, which reach the same optimum. A solver such as LBFGS(memory=10) may be given itself.
    max_iter : int
        Steps after which a fit gives up, with a warning; for "sgd", epochs.
    verbose : int
        Above 0, a line is written for each step.
    warm_start : bool
        Whether a fit starts where the last one ended. Classes and their order may have changed.
    scale, shift : float or (d,) array
        The model sees scale · X + shift, and that is what the penalty applies to; coef_ applies to X.
    standardize : bool
        Whether the penalty applies to columns brought to mean 0 and deviation 1; coef_ applies to X.
    missing : {"error", "mean", "zero"}
        What becomes of NaN in X: an error that says where, or the column's mean in the training data, or 0.
    label_smoothing : float
        Share of each label that is given to all classes alike.
    batch_size : int
        Rows of a minibatch, for "sgd" and partial_fit.
    learning_rate : float or "auto"
        Factor of the gradient in their steps; "auto" takes it from the largest curvature of the first block of rows.
        One factor is for all columns: where they have unlike units, or are far from 0, standardize=True is what makes
        the steps quick.
    momentum : float
        Share of each of their steps that goes into the next.
    early_stopping : bool
        Whether a part of the rows is set aside, and a fit ends when its loss there has not fallen for
        n_iter_no_change steps; the best step is kept.
    validation_fraction : float
        That part.
    n_iter_no_change : int
        Also for "sgd" without a validation part, which ends when the value has not fallen for so many epochs.
    callbacks : callable or list of them, optional
        Called with each step and its score on the validation part, as softreg.fit calls them. (scikit-learn's
        callbacks are set by set_callbacks.)
    n_threads : int, optional
        Threads to use; the result is the same for any number. None is the CPUs that this process may use, or 1 in a
        worker process, such as joblib's.
    penalty, dual, intercept_scaling, n_jobs
        What scikit-learn 1.9 still takes, with its warnings.

    Attributes
    ----------
    coef_ : (K, d) array, or (1, d) for two classes
        In the units of X; float32 for X of float32, float64 otherwise, in X's namespace.
    intercept_ : (K,) array, or (1,)
    classes_ : (K,) array
    class_prior_ : (K,) array
        The share of each class among the rows of the fit, by their weights with the class weights: where the
        probabilities hold.
    n_features_in_ : int
    feature_names_in_ : (d,) array
        Where X had names.
    n_iter_ : (1,) array of int
        Steps taken.
    certificate_ : float
        How far the value is from the optimum at most, relative to the value; inf where that is not known.
    status_, status_name_ : str
        How the fit ended: a sentence with its figures, and a word such as "CONVERGED".
    solver_ : str
        The solver that was used, and if it was chosen, why.
    history_ : dict of arrays
        Value, loss, accuracy, gap, gradient norm, passes and seconds of each step.
    model_ : Model
        The same as a `Model`, which saves to a file and predicts without scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from softreg import SoftmaxRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegression().fit(X, y)
    >>> model.status_name_, bool(model.certificate_ <= model.tol)
    ('CONVERGED', True)
    >>> model.predict(X[:2]), round(model.score(X, y), 3)
    (array([0, 0]), 0.973)
    """

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: Any = "auto",
        max_iter: int = 1000,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: Any = None,
        scale: Any = 1.0,
        shift: Any = 0.0,
        standardize: bool = False,
        missing: str = "error",
        label_smoothing: float = 0.0,
        batch_size: int = 256,
        learning_rate: Any = "auto",
        momentum: float = 0.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        callbacks: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.scale = scale
        self.shift = shift
        self.standardize = standardize
        self.missing = missing
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.n_threads = n_threads

    def __sklearn_tags__(self) -> Any:
        """Say what the estimator takes."""
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Fit to labelled rows.

        Parameters
        ----------
        X : (n, d) array, table or CSR matrix
            Of any numeric type; it is read as it lies in memory.
        y : (n,) array of labels, or (n, K) array of class probabilities or counts
        sample_weight : (n,) array, optional
        offset : (n, K) array, optional
            Added to the logits; of two classes (n,), that of the second.
        classes : (K,) array, optional
            What the columns of y stand for, 0 … K − 1 by default; or all labels there may be, in their order.

        Returns
        -------
        self

        Raises
        ------
        SettingError
            Where a parameter has no meaning.
        DataError
            Where X or y cannot be used: the message says where.
        KeyboardInterrupt
            On Ctrl-C; the attributes are those of the last whole step.
        """
        solves.run(self, X, y, sample_weight, offset, classes)
        return self

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, offset: ArrayLike | None = None) -> float:
        """Return the share of rows whose most likely class is theirs, by weight."""
        if np.ndim(rows.host(y)) == 2 and np.shape(y)[1] > 1:
            raise LabelError(
                f"y has shape {tuple(np.shape(y))}; expected (n,) labels, which are what rows are right or wrong by: "
                "of rows of probabilities pass classes_[y.argmax(axis=1)]"
            )
        return float(accuracy_score(y, self.predict(X, offset), sample_weight=sample_weight))

    @available_if(_smooth)
    def partial_fit(
        self, X: Any, y: Any, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Take one epoch of minibatch steps over these rows, from where the estimator is.

        Parameters
        ----------
        X : (n, d) array, table or CSR matrix
        y : (n,) array of labels, or (n, K) array of class probabilities or counts
        classes : (K,) array, optional
            All classes there will be. Where they are not given, a class that appears later makes the model grow, which
            is said in a warning once.
        sample_weight : (n,) array, optional

        Returns
        -------
        self

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from softreg import SoftmaxRegression
        >>> X, y = load_iris(return_X_y=True)
        >>> model = SoftmaxRegression(batch_size=10, random_state=0)
        >>> for part in range(0, 150, 50):
        ...     _ = model.partial_fit(X[part : part + 50], y[part : part + 50], classes=[0, 1, 2])
        >>> model.coef_.shape
        (3, 4)
        """
        increments.step(self, X, y, classes, sample_weight)
        return self
