"""One experiment from start to end."""

from reft_lab.runner.experiment import run

__all__ = ["run"]
