"""`preflight=true`: what a run would take, before it begins. Nothing of it is kept but the estimate."""

from reft_lab.preflight.look import preflight

__all__ = ["preflight"]
