"""Programs that a model wrote: extracted from its text, run in a sandbox, and judged there."""

from reft_lab.programs.extract import extract
from reft_lab.programs.result import STATUSES, ProgramResult
from reft_lab.programs.runner import ProgramRunner

__all__ = ["STATUSES", "ProgramResult", "ProgramRunner", "extract"]
