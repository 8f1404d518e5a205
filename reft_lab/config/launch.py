"""From a command line to an exit code: 0 finished, 2 bad input, 1 anything else, 130 interrupted."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from reft_lab.config.check import check
from reft_lab.config.conf import Conf, register_schema
from reft_lab.config.explain import explain
from reft_lab.config.help import help_text
from reft_lab.config.overrides import check_overrides, parse, register_rewards
from reft_lab.config.run_folder import claim
from reft_lab.errors import BadInput

FULL_ERROR = "HYDRA_FULL_ERROR"
WANTS_TRACEBACK = os.environ.get(FULL_ERROR) == "1"


def launch(experiment: Callable[[], Any]) -> None:
    """Call `experiment`, a function decorated with hydra.main, and exit with the code that tells how it went.

    The command line is composed and checked before Hydra makes a folder, so bad input leaves nothing on disk. With
    HYDRA_FULL_ERROR=1 in the environment, bad input shows its traceback too.
    """
    os.environ[FULL_ERROR] = "1"  # Hydra then raises an error, where it would print it its own way and exit with 1
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # for reward=my_module.my_function
    register_schema()
    try:
        composed = check_command(sys.argv[1:])
        if composed is not None:
            sys.argv += claim(composed, sys.argv[1:])
        experiment()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (BadInput, HydraException) as error:
        _exit_with_sentence(error)


@contextmanager
def bad_input_exits() -> Iterator[None]:
    """Inside a single run, bad input ends the process here and now, before Hydra adds lines of its own.

    The folder that Hydra made for a run that never began is taken away again. In a multirun the error is raised, and
    Hydra says which job it was.
    """
    try:
        yield
    except BadInput as error:
        _remove_if_unused(Path(HydraConfig.get().runtime.output_dir))
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        _exit_with_sentence(error)


def _remove_if_unused(directory: Path) -> None:
    if directory.is_dir() and [entry.name for entry in directory.iterdir()] == [".hydra"]:
        shutil.rmtree(directory)


def check_command(words: Sequence[str]) -> DictConfig | None:
    """Check a whole command line: its flags, each override, and every experiment that comes of it. Answers --help.

    Returns:
        The composed run or study with Hydra's node, None where the command line asks for something else.

    Raises:
        BadInput: something in it cannot be.
    """
    flags = _parse_flags(words)
    if flags.hydra_help or flags.shell_completion:
        return None
    conf = Conf(config_dir=flags.config_dir, config_name=flags.config_name or "config")
    overrides = parse(flags.overrides, conf)
    register_rewards(overrides, conf)
    check_overrides(overrides, conf, multirun=flags.multirun)
    if flags.help:
        print(help_text(conf))
        sys.exit(0)
    if flags.info is not None:
        return None
    if not flags.multirun:
        composed = conf.compose(flags.overrides)
        _check_experiment(composed)
        return None if flags.cfg else composed
    study = conf.compose(flags.overrides, RunMode.MULTIRUN)
    if study.hydra.sweeper._target_.endswith(f".{BasicSweeper.__name__}"):
        for job in _jobs(study, overrides, conf):
            _check_experiment(conf.compose(job))
    return study


def _parse_flags(words: Sequence[str]) -> Namespace:
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


def _jobs(study: DictConfig, overrides: Sequence[Override], conf: Conf) -> list[list[str]]:
    """The overrides of every run of a plain multirun."""
    swept = [*parse([f"{key}={value}" for key, value in (study.hydra.sweeper.params or {}).items()], conf), *overrides]
    for override in swept:
        if override.is_interval_sweep():
            raise BadInput(
                f"{override.input_line} is a range to search, and -m alone tries listed values only; list some, "
                f"as in {override.key_or_group}=0.9,0.95."
            )
    return [job for batch in BasicSweeper.split_arguments(swept, None) for job in batch]


def _check_experiment(composed: DictConfig) -> None:
    from reft_lab.rewards import resolve

    resolve(check(composed).reward.function)


def _exit_with_sentence(error: Exception) -> NoReturn:
    if WANTS_TRACEBACK:
        traceback.print_exception(error)
    print(f"error: {error if isinstance(error, BadInput) else explain(error)}", file=sys.stderr)
    sys.exit(2)
