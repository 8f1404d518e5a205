"""One experiment from start to end."""

from reft_lab.runner.experiment import resume, run

__all__ = ["resume", "run"]
