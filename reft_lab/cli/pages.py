"""`reft report` and `reft dashboard`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reft_lab.cli.finding import find_run, folder_called
from reft_lab.errors import BadInput
from reft_lab.run_dir.files import looks_like_a_run


def report(name: str, *, show: bool) -> dict[str, str]:
    """Write the report of a run or of a folder of runs, print and return its path, and open it if asked.

    Raises:
        BadInput: there is no such run or folder, the folder holds no run, or the report cannot be written.
    """
    from reft_lab.report import run_report, study_report

    directory = folder_called(name) or Path(str(find_run(name).directory))
    write = run_report if looks_like_a_run({entry.name for entry in directory.iterdir()}) else study_report
    try:
        page = write(directory)
    except OSError as error:
        raise BadInput(f"the report of {directory} cannot be written: {error.strerror}.") from error
    print(page)
    if show:
        import webbrowser

        webbrowser.open(page.absolute().as_uri())
    return {"report": str(page)}


def dashboard(project: str, study: str | None, *, preview: bool, output: Path | None) -> dict[str, Any]:
    """Save the workspace of a project and the report of a study and print their addresses, or preview both.

    Returns:
        The addresses, or what would be sent.

    Raises:
        BadInput: as `reft_lab.dashboard.save` and `preview`; --output without --preview; FILE cannot be written.
    """
    from reft_lab import dashboard

    if not preview:
        if output is not None:
            raise BadInput("--output is for --preview; without it the dashboard goes to W&B.")
        addresses = dashboard.save(project, study)
        for address in addresses:
            print(address)
        return {"addresses": list(addresses)}
    found = dashboard.preview(project, study)
    if output is None:
        for line in found.outline:
            print(line)
        return found.content
    try:
        output.write_text(json.dumps(found.content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{output} cannot be written: {error.strerror}.") from error
    print(output)
    return {"file": str(output)}
