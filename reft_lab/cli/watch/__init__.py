"""`reft watch`: pictures of a run or a study under way, on the terminal."""
