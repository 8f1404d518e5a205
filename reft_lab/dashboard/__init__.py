"""Dashboards as code: the W&B workspace of a project, and the W&B report of a study."""

from reft_lab.dashboard.save import preview, save

__all__ = ["preview", "save"]
