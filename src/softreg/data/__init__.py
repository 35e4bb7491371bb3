"""From files and tables to a checked Dataset."""

from softreg.data.dataset import Dataset

__all__ = ["Dataset"]
