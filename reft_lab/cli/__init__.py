"""`reft`, the console command for looking at runs. They are made by run.py."""

from reft_lab.cli.entry import main

__all__ = ["main"]
