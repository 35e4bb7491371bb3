"""The fitted model: plain arrays that predict, save and load; and the fit that makes one."""

from softreg.model.fitting import fit
from softreg.model.model import Model, Score, Section
from softreg.model.path import Path
from softreg.model.settings import AUTO, Settings
from softreg.model.stopping import EarlyStopping

__all__ = ["AUTO", "EarlyStopping", "Model", "Path", "Score", "Section", "Settings", "fit"]
