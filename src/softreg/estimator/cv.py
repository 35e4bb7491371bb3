"""SoftmaxRegressionCV: the estimator that chooses the penalty by cross-validation."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.metrics import get_scorer
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping

from softreg.estimator import results, selection
from softreg.estimator.prediction import Classifier

__all__ = ["SoftmaxRegressionCV"]


class SoftmaxRegressionCV(CallbackSupportMixin, ClassifierMixin, SparseCoefMixin, Classifier, BaseEstimator):
    """Softmax regression whose penalty is chosen by cross-validation, along one warm-started path for each fold.

    Parameters
    ----------
    Cs : int or list of float
        Inverse strengths to try, or how many between 1e-4 and 1e4, evenly on a logarithmic scale.
    l1_ratios : list of float
        Mixtures to try, see `SoftmaxRegression`.
    cv : int, splitter or list of (training rows, rows left out), optional
        Five stratified folds by default. A fold is rows of X by their numbers: nothing is copied.
    scoring : str or callable
        A scorer of scikit-learn's; "neg_log_loss" by default. None is accuracy.
    refit : bool
        Whether the model is fitted to all rows with the penalty chosen; else it is the mean of the folds' best.
    rule : {"best", "one_standard_error"}
        Which penalty is chosen: that with the best mean score, or the strongest whose mean is within a standard error
        of the best (Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3).
    abandon : bool
        Whether a fold's path is left where its scores have clearly fallen; what was left out is nan in the results.
    fit_intercept, tol, max_iter, class_weight, solver, random_state
        As in `SoftmaxRegression`.
    verbose : int
        Above 0, a line is written for each fit of a path.
    scale, shift, standardize, missing, label_smoothing
        As in `SoftmaxRegression`; means and deviations are those of a fold's training rows.
    batch_size, learning_rate, momentum
        As in `SoftmaxRegression`, for "sgd".
    n_threads : int, optional
        Threads to use, for folds first; as in `SoftmaxRegression`.
    use_legacy_attributes : bool
        Whether scores_, n_iter_, coefs_paths_, C_ and l1_ratio_ have the shapes of old: dicts and arrays by class.
    penalty, dual, intercept_scaling, n_jobs
        What scikit-learn 1.9 still takes, with its warnings.

    Attributes
    ----------
    C_, l1_ratio_ : float
        What was chosen.
    Cs_ : (n_cs,) array
    l1_ratios_ : (n_l1_ratios,) array
    scores_ : (n_folds, n_l1_ratios, n_cs) array
    coefs_paths_ : (n_folds, n_l1_ratios, n_cs, n_classes, n_features + 1) array
        One class of two; the intercept last, where there is one. Not kept where they would pass 256 MiB.
    n_iter_ : (n_folds, n_l1_ratios, n_cs) array of int
    cv_results_ : dict of arrays
        As of scikit-learn's GridSearchCV: parameters, mean, deviation and rank of the scores, a column for each fold,
        and the largest relative gap to the optimum that is certified for its fits. pandas.DataFrame takes it.
    coef_, intercept_, classes_, class_prior_, certificate_, status_, status_name_, solver_, history_, model_
        As of `SoftmaxRegression`, of the fit to all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from softreg import SoftmaxRegressionCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegressionCV(Cs=[0.01, 1.0, 100.0], rule="one_standard_error").fit(X, y)
    >>> model.C_, model.scores_.shape, model.cv_results_["mean_test_score"].round(2).tolist()
    (100.0, (5, 1, 3), [-0.64, -0.14, -0.06])
    """

    # A weight that is given to score is the scorer's to ask for, or to refuse.
    __metadata_request__score = {"sample_weight": UNUSED}  # noqa: RUF012 - so scikit-learn looks for it

    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = (0.0,),
        fit_intercept: bool = True,
        cv: Any = None,
        dual: bool = False,
        penalty: Any = "deprecated",
        scoring: Any = "neg_log_loss",
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        class_weight: Any = None,
        n_jobs: Any = None,
        verbose: int = 0,
        refit: bool = True,
        intercept_scaling: float = 1.0,
        random_state: Any = None,
        use_legacy_attributes: bool = False,
        rule: str = "best",
        abandon: bool = False,
        scale: Any = 1.0,
        shift: Any = 0.0,
        standardize: bool = False,
        missing: str = "error",
        label_smoothing: float = 0.0,
        batch_size: int = 256,
        learning_rate: Any = "auto",
        momentum: float = 0.0,
        n_threads: int | None = None,
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes
        self.rule = rule
        self.abandon = abandon
        self.scale = scale
        self.shift = shift
        self.standardize = standardize
        self.missing = missing
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.n_threads = n_threads

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, **params: Any) -> Self:
        """Choose the penalty and fit with it.

        Parameters
        ----------
        X : (n, d) array, table or CSR matrix
        y : (n,) array of labels
        sample_weight : (n,) array, optional
            Of the fits; and of the scores, where metadata routing is off or asks for it.
        **params
            For the splitter and the scorer, by scikit-learn's metadata routing.

        Returns
        -------
        self

        Raises
        ------
        SettingError
            Where a parameter has no meaning.
        DataError
            Where X or y cannot be used: the message says where.
        """
        selection.run(self, X, y, sample_weight, params)
        return self

    def score(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None, **params: Any) -> float:
        """Return the score by `scoring` on labelled rows."""
        return selection.score(self, X, y, sample_weight, params)

    def plot_path(self, ax: Any = None) -> Any:
        """Draw the mean score against C, with its standard error and what was chosen; return the axes."""
        return results.draw(self, ax)

    def get_metadata_routing(self) -> Any:
        """Say, to scikit-learn's metadata routing, who takes what."""
        fits = MethodMapping().add(caller="fit", callee="split")
        scores = MethodMapping().add(caller="score", callee="score").add(caller="fit", callee="score")
        router = MetadataRouter(owner=self).add_self_request(self).add(splitter=self.cv, method_mapping=fits)
        return router.add(scorer=self._get_scorer(), method_mapping=scores)

    def _get_scorer(self) -> Any:
        return get_scorer("accuracy" if self.scoring is None else self.scoring)
