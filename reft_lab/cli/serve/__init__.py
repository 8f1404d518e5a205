"""`reft serve`: the pages of runs and studies, made as they are asked for, with a table of all runs to begin with."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from reft_lab.cli.finding import FOLDERS
from reft_lab.cli.serve.pages import Pages
from reft_lab.cli.serve.server import ADDRESS, Server
from reft_lab.cli.serve.shelf import Shelf
from reft_lab.errors import BadInput
from reft_lab.text import counted


def serve(folders: Sequence[str], port: int, *, show: bool) -> None:
    """Serve the runs in `folders` (without any, those that run.py made here) until Ctrl-C.

    Raises:
        BadInput: there is no such folder, or the port is taken.
    """
    roots = _roots(folders)
    shelf = Shelf(roots)
    with Pages(shelf) as pages, _server(pages, port) as server:
        print(f"{counted(len(shelf.look()), 'run')} in {', '.join(map(str, roots.values()))}: {server.url}", flush=True)
        print("Ctrl-C ends it.", flush=True)
        if show:
            import webbrowser

            webbrowser.open(server.url)
        server.serve_forever()


def _server(pages: Pages, port: int) -> Server:
    try:
        return Server(pages, port)
    except PermissionError:
        raise BadInput(f"port {port} is for the system alone; take another one: --port 0 for any free one.") from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise BadInput(
            f"port {port} of {ADDRESS} is taken, perhaps by another `reft serve`; name another one: --port 0 for any "
            "free one."
        ) from None


def _roots(folders: Sequence[str]) -> dict[str, Path]:
    """The folders by the first part of their addresses."""
    given = [Path(folder).expanduser() for folder in folders or [name for name in FOLDERS if Path(name).is_dir()]]
    if not given:
        raise BadInput(
            f"there is no outputs/ or multirun/ in {Path.cwd()}; go to where runs were made, or name a folder."
        )
    roots: dict[str, Path] = {}
    for folder in given:
        if not folder.is_dir():
            raise BadInput(f"{folder} is not a folder (seen from {Path.cwd()}); name a run or a folder of runs.")
        name = key = folder.absolute().name or "runs"
        while key in roots:
            key = f"{name}-{len(roots)}"
        roots[key] = folder
    return roots
