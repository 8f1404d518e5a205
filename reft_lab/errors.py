"""The one exception that means: the user can mend this."""


class BadInput(Exception):
    """Something the user gave cannot be used.

    The message is one clear sentence: what is wrong, where, and what to do. `run.py` prints it without a
    traceback and exits with code 2.
    """
