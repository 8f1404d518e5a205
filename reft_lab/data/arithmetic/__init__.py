"""The embedded word problems: `generate` makes them from a seed."""

from reft_lab.data.arithmetic.generator import generate

__all__ = ["generate"]
