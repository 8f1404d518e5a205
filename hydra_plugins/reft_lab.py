"""What Hydra looks for here by name; all of it lives in reft_lab."""

from reft_lab.compose import sweeps_folder
from reft_lab.studies import sweeper


class SweepsSource(sweeps_folder.SweepsSource):
    """The folder sweeps/ as a group of choices."""


class SweepsSearchPath(sweeps_folder.SweepsSearchPath):
    """Shows Hydra the folder sweeps/."""


class StudySweeper(sweeper.StudySweeper):
    """Runs a study; Hydra takes plugins from hydra_plugins only."""
