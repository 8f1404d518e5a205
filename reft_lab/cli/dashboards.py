"""`reft dashboard`."""

from __future__ import annotations

from pathlib import Path

from reft_lab.errors import BadInput


def dashboard(project: str, study: str | None, *, preview: bool, output: Path | None) -> None:
    """Save the workspace of a project, and the report of a study, and print their addresses; or show what they are.

    Raises:
        BadInput: as `reft_lab.dashboard.save` and `preview`; --output without --preview; FILE cannot be written.
    """
    from reft_lab import dashboard

    if not preview:
        if output is not None:
            raise BadInput("--output is for --preview; without it the dashboard goes to W&B.")
        for address in dashboard.save(project, study):
            print(address)
        return
    text = dashboard.preview(project, study)
    if output is None:
        print(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{output} cannot be written: {error.strerror}.") from error
    print(output)
