"""What a run leaves behind: its directory, W&B, the terminal."""
