"""`reft`, the console command for looking at runs. They are made by run.py.

Mistakes of the user end it with one sentence, and it is silent where the reader of a pipe has left.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process: 0 done, 2 bad input, 130 stopped by Ctrl-C.

    Args:
        arguments: what was typed after `reft`; None takes it from the process.
    """
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # as with `| head`
        code = 0
        # Otherwise Python would try to write what is still buffered at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    import typer
    from typer.main import get_command

    from reft_lab.cli.app import app
    from reft_lab.errors import BadInput, RunFailed

    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        return get_command(app).main(words or ["--help"], prog_name="reft", standalone_mode=False) or 0
    except (BadInput, typer.TyperException) as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 2
    except RunFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except typer.Abort:
        return 130
    except SystemExit as end:  # raised by typer where a pipe was closed
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str:
    """What is wrong, without the lists and line breaks that the library adds."""
    from reft_lab.text import did_you_mean

    if choices := getattr(error, "possibilities", None):
        return f"{getattr(error, 'message', error)}{did_you_mean(getattr(error, 'option_name', ''), choices)}"
    format_message = getattr(error, "format_message", error.__str__)
    return " ".join(format_message().split())
