"""The run directory: what a run leaves, who writes it, and how it is read back."""
