"""The processes that share the work of one run: who they are, how work is dealt out, and what they tell each other.

All of them run the same program and hold all bookkeeping: rollouts, rewards, advantages, schedules and metrics are the
same everywhere. What costs is shared. No share decides how often they exchange something, so an empty one is nothing
special; what depends on the clock, a signal or a disk is decided by the first of them, which is also the one that
writes, prints and draws bars.
"""

from reft_lab.ranks.ranks import ALONE, Gradient, Ranks

__all__ = ["ALONE", "Gradient", "Ranks"]
