"""Runs from everywhere as one data frame, and the statistics of the notebooks and reports."""
