"""The flags of a command line: those words that are not OPTION=VALUE."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from reft_lab.errors import BadInput


def parse_flags(words: Sequence[str]) -> Namespace:
    """Hydra's flags, and in `overrides` the other words.

    Raises:
        BadInput: a flag that there is not, or two that exclude each other.
    """
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        word = next((word for word in words if word.startswith("--") and "=" in word), None)
        hint = f"options are written without dashes, {word.lstrip('-')}" if word else "see `python run.py --help`"
        raise BadInput(f"{message}; {hint}.")

    parser.error = refuse  # type: ignore[method-assign]
    flags = parser.parse_args(list(words))
    if sum(map(bool, (flags.run, flags.multirun, flags.cfg, flags.info, flags.shell_completion))) > 1:
        refuse("only one of --run, --multirun, --cfg, --info and --shell-completion can be given")
    if flags.resolve and not flags.cfg:
        refuse("--resolve goes with --cfg")
    return flags
