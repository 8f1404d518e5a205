"""report.html: one self-contained page for a run or a study (docs/report.md)."""

from reft_lab.report.run import run_report
from reft_lab.report.study import study_report

__all__ = ["run_report", "study_report"]
