"""`reft`: a console command for looking at runs; making them stays with run.py."""
