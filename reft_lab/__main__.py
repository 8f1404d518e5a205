"""`python -m reft_lab`: what run.py is in a checkout, from any folder."""

from reft_lab.command.exits import end_with_sweep, exit_on_signals
from reft_lab.imports import imported_for_good

if __name__ == "__main__":
    exit_on_signals()  # first of all: the import below takes a while
    end_with_sweep()

with imported_for_good():
    from reft_lab.command.launch import launch

if __name__ == "__main__":
    launch()
