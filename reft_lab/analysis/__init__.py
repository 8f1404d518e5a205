"""Runs from everywhere as one data frame, and the statistics of the notebooks and reports."""

from reft_lab.analysis.load import load
from reft_lab.analysis.runs import Runs

__all__ = ["Runs", "load"]
