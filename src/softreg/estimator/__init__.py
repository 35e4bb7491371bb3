"""scikit-learn's estimators of softmax regression. Importing this imports scikit-learn."""

from softreg.estimator.cv import SoftmaxRegressionCV
from softreg.estimator.regression import SoftmaxRegression

__all__ = ["SoftmaxRegression", "SoftmaxRegressionCV"]
