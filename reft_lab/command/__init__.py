"""The front door: from a command line to an exit code."""
