"""One experiment from start to end."""

from reft_lab.imports import imported_for_good

with imported_for_good():
    from reft_lab.runner.experiment import resume, run

__all__ = ["resume", "run"]
