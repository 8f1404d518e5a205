"""From a command line to an exit code: 0 finished, 2 bad input, 1 anything else, 128 + signal when interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from reft_lab.command.exits import FULL_ERROR, exit_interrupted, exit_with_sentence
from reft_lab.command.flags import parse_flags
from reft_lab.command.help import help_text
from reft_lab.command.quiet_start import exit_on_signals
from reft_lab.command.resume import AUTO, Finished, Resumption, continued, split_resume
from reft_lab.command.run_folder import claim, remove_if_unused
from reft_lab.command.unfinished import unfinished
from reft_lab.compose.conf import Conf, register_schema
from reft_lab.compose.experiment_file import with_files_read
from reft_lab.compose.overrides import check_overrides, parse, register_rewards
from reft_lab.compose.sweep_syntax import spelled
from reft_lab.config.check import check
from reft_lab.config.schema import Config
from reft_lab.config.sweeps import StudySweeperConfig
from reft_lab.errors import BadInput, RunFailed
from reft_lab.run_dir.saved import started_from


def launch(experiment: Callable[[], Any], resume: Callable[[Config, Path, list[str]], Any]) -> None:
    """Do what the command line asks for, and exit with the code that tells how it went.

    The command line is composed and checked before Hydra makes a folder, so bad input leaves nothing on disk. With
    HYDRA_FULL_ERROR=1 in the environment, bad input shows its traceback too.

    Args:
        experiment: runs a new experiment; decorated with hydra.main.
        resume: goes on with the run in a directory, as this config, with these changes from the saved one.
    """
    os.environ[FULL_ERROR] = "1"  # Hydra then raises an error, where it would print it its own way and exit with 1
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # for reward=my_module.my_function
    register_schema()
    try:
        asked, words = split_resume([spelled(word) for word in with_files_read(sys.argv[1:])])
        going_on = _existing_run(asked, words)
        if isinstance(going_on, Finished):
            print(going_on.sentence)
        elif going_on is None:
            _start(experiment, words, "no unfinished run of this experiment; a new one begins." if asked else "")
        elif parse_flags(words).cfg:
            print(OmegaConf.to_yaml(OmegaConf.create(asdict(going_on.config))), end="")
        else:
            resume(going_on.config, going_on.directory, going_on.changes)
    except KeyboardInterrupt as stop:
        exit_interrupted(stop)
    except (BadInput, RunFailed, HydraException) as error:
        exit_with_sentence(error)


def _existing_run(asked: str | None, words: Sequence[str]) -> Resumption | Finished | None:
    """The run that `resume=` asks to go on with; None for a new one."""
    if asked is None:
        return None
    if asked == AUTO:
        composed = check_command(words)
        assert composed is not None
        found = unfinished(composed)
    else:
        found = continued(Path(asked).expanduser(), words)
    started = started_from(found.directory) if isinstance(found, Resumption) else None
    if started is not None and str(started) not in sys.path:
        sys.path.append(str(started))  # a reward of the user's own is beside where the run was started
    return found


def _start(experiment: Callable[[], Any], words: list[str], note: str) -> None:
    """Start what `words` describe, a new run or study."""
    composed = check_command(words)
    sys.argv[1:] = words
    if composed is not None and not parse_flags(words).cfg:
        if note:
            print(note)
        folder, told = claim(composed, words)
        sys.argv += told
        exit_on_signals(lambda: remove_if_unused(folder, claimed=bool(told)))
    experiment()


def check_command(words: Sequence[str]) -> DictConfig | None:
    """Check a whole command line: its flags, each override, and every experiment that comes of it. Answers --help.

    Returns:
        The composed run or study with Hydra's node, None where the command line asks for something else.

    Raises:
        BadInput: something in it cannot be.
    """
    words = [spelled(word) for word in words]
    flags = parse_flags(words)
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
        if OmegaConf.select(composed, "sweeps") is not None and not flags.cfg:
            name = next(str(override.value()) for override in overrides if override.key_or_group == "sweeps")
            raise BadInput(f"sweeps={name} is a study of many runs; add -m, as in python run.py -m sweeps={name}.")
        _check_experiment(composed)
        return composed
    composed = conf.compose(flags.overrides, RunMode.MULTIRUN)
    if composed.hydra.sweeper._target_ == StudySweeperConfig._target_:
        _check_study(composed, flags.overrides, conf)
    elif OmegaConf.select(composed, "sweeps") is not None:
        raise BadInput(
            "sweeps= has a sweeper of its own; leave hydra/sweeper= out, and in a file of sweeps/ end the defaults "
            "with `- override /hydra/sweeper@_global_.hydra.sweeper: study`."
        )
    elif composed.hydra.sweeper._target_.endswith(f".{BasicSweeper.__name__}"):
        for job in _jobs(composed, overrides, conf):
            _check_experiment(conf.compose(job))
    return composed


def _check_study(composed: DictConfig, words: Sequence[str], conf: Conf) -> None:
    """Check a study and what its trials may be."""
    from reft_lab.studies.from_config import from_config
    from reft_lab.studies.reach import check_reach

    definition = from_config(composed, words)

    def check_run(overrides: Sequence[str]) -> None:
        parsed = parse(overrides, conf)
        register_rewards(parsed, conf)
        _check_experiment(conf.compose([*(flag for flag in definition.flags if not flag.startswith("--")), *overrides]))

    check_reach(definition, check_run)


def _jobs(study: DictConfig, overrides: Sequence[Override], conf: Conf) -> list[list[str]]:
    """The overrides of every run of a plain multirun."""
    swept = [*parse([f"{key}={value}" for key, value in (study.hydra.sweeper.params or {}).items()], conf), *overrides]
    for override in swept:
        if override.is_interval_sweep():
            raise BadInput(
                f"{override.input_line} is a range to search, and -m alone tries listed values only; add "
                f"sweeps=optuna, or list some, as in {override.key_or_group}=0.9,0.95."
            )
    return [job for batch in BasicSweeper.split_arguments(swept, None) for job in batch]


def _check_experiment(composed: DictConfig) -> None:
    from reft_lab.rewards import resolve

    resolve(check(composed).reward.function)
