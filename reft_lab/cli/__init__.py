"""`reft`, the console command for looking at runs. Making them stays with run.py."""

from reft_lab.cli.entry import main

__all__ = ["main"]
