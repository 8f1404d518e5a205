"""reft_lab: a laboratory for reinforced fine-tuning (ReFT, arXiv 2401.08967)."""

__version__ = "0.1.0"
