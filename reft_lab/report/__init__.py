"""report.html: one self-contained page for a run or a study."""
