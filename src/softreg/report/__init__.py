"""A model and rows to judge it by → one web page, JSON, text.

>>> from softreg.report import Report, report, schema
"""

from softreg.report.building import report
from softreg.report.result import Report
from softreg.report.schema import schema

__all__ = ["Report", "report", "schema"]
