"""Studies behind `python run.py -m sweeps=NAME`: searches and grids, each trial a process of its own."""
