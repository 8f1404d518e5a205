"""`python -m reft_lab.cli`."""

from reft_lab.cli import main

main()
