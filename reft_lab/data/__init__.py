"""Questions in, Problem records out."""

from reft_lab.data.load import load
from reft_lab.data.problem import Problem
from reft_lab.data.report import DataReport, Splits

__all__ = ["DataReport", "Problem", "Splits", "load"]
