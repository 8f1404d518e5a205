"""What a run takes of memory, phase by phase: by a formula of shapes and settings, and as it is seen.

`phases` is the formula, `room` says what the device has, `Peaks` watches.
"""
