"""Programs that a model wrote: cut out of its text, run in a sandbox, judged there."""

from reft_lab.programs.extract import extract
from reft_lab.programs.result import STATUSES, ProgramResult
from reft_lab.programs.runner import ProgramRunner

__all__ = ["STATUSES", "ProgramResult", "ProgramRunner", "extract"]
