"""From a command line to an exit code: 0 finished, 2 bad input, 1 anything else, 128 + signal when interrupted."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import OmegaConf

from reft_lab.command.exits import FULL_ERROR, exit_on_signals, exit_with_sentence, readers_may_leave
from reft_lab.command.help import help_text
from reft_lab.command.joined import check_size, joined
from reft_lab.command.order import Order
from reft_lab.command.ranks import run_in_ranks
from reft_lab.command.resume import AUTO, Resumption, continued, split_resume
from reft_lab.command.run_folder import claim, remove_if_unused
from reft_lab.command.show import show
from reft_lab.command.unfinished import unfinished
from reft_lab.command.work import Run, SingleRun, Study, Work, job, work_of
from reft_lab.compose.composed import compose_command
from reft_lab.compose.conf import Conf, register_schema
from reft_lab.compose.experiment_file import with_files_read
from reft_lab.compose.search_path import FOLDER, VERSION
from reft_lab.compose.words import as_words, parse_flags
from reft_lab.config.schema import Config
from reft_lab.errors import BadInput, RunFailed
from reft_lab.ranks.start import Start
from reft_lab.run_dir.saved import started_from

# Goes on with the run in a directory, as this config, with these changes from the saved one.
GoOn = Callable[[Config, Path, list[str]], float]


def run_experiment(config: Config, directory: Path, changes: list[str] | None = None) -> float:
    """A new run in `directory`, or on with the one there, given `changes`. A search maximises what it returns."""
    order = Order(config, directory, changes)
    return order.carry_out() if config.trainer.devices == 1 else run_in_ranks(order)


def launch(run: Run = run_experiment, resume: GoOn = run_experiment) -> None:
    """Do what the command line asks for, and exit with the code that tells how it went.

    The command line is composed and checked before a folder is made, so bad input leaves nothing on disk. With
    HYDRA_FULL_ERROR=1 in the environment, bad input shows its traceback too.
    """
    _import_from(Path.cwd())  # for reward=my_module.my_function
    start = Start.of_this_process()
    try:
        if start is None:
            _answer(sys.argv[1:], run, resume)
            return
        with joined(start) as orders:
            if start.rank == 0:
                _answer(sys.argv[1:], orders.give, orders.give)
            else:
                orders.follow()
    except KeyboardInterrupt as stop:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + getattr(stop, "signal", 2))
    except (BadInput, RunFailed, HydraException) as error:
        exit_with_sentence(error)


def _answer(typed: Sequence[str], run: Run, resume: GoOn) -> None:
    asked, words = split_resume(with_files_read(typed))
    flags = parse_flags(words)
    if asked not in (None, AUTO):
        _go_on(continued(Path(asked).expanduser(), words), flags, resume)
    elif flags.help:
        with readers_may_leave():
            print(help_text(Conf(flags.config_dir, flags.config_name, flags.config_path)))
        sys.exit(0)
    elif flags.hydra_help or flags.shell_completion or flags.info or flags.experimental_rerun:
        _leave_to_hydra(words, run)
    else:
        work = check_command(words)
        found = unfinished(work.composed.node) if asked == AUTO else None
        if found is not None:
            _go_on(found, flags, resume)
        elif flags.cfg:
            with readers_may_leave():
                show(work.composed)
        elif isinstance(work, SingleRun) and work.config.preflight:
            _look_ahead(work)
        else:
            start = Start.of_this_process()
            if start is not None and isinstance(work, Study):
                raise BadInput(
                    f"a study starts the processes of its runs itself, and {start.by} has started {start.size}; leave "
                    f"{start.by} out: python run.py -m sweeps=... trainer.devices=N."
                )
            if start is not None and isinstance(work, SingleRun):
                check_size(start, work.config)
            if asked == AUTO:
                print("no unfinished run of this experiment; a new one begins.")
            _start(work, run)


def check_command(words: Sequence[str]) -> Work:
    """What a command line that runs something asks for, every experiment that may come of it composed and checked.

    Raises:
        BadInput: something in it cannot be.
    """
    return work_of(compose_command(words))


def _look_ahead(work: SingleRun) -> None:
    """What a new run would take."""
    from reft_lab.preflight import preflight

    preflight(work.config, Path(str(work.composed.node.hydra.run.dir)))


def _start(work: Work, run: Run) -> None:
    """A new run, multirun or study."""
    work.check_machine()
    folder, told = claim(work.composed.node, as_words(work.composed.overrides))
    for word in told:
        work.put_in(str(folder), word)
    exit_on_signals(lambda: remove_if_unused(folder, claimed=bool(told)))
    work.do(run)


def _go_on(found: Resumption | str, flags: Namespace, resume: GoOn) -> None:
    if isinstance(found, str):  # it is finished already
        print(found)
        return
    started = started_from(found.directory)
    if started is not None:
        _import_from(started)  # a reward of the user's own is beside where the run was started
    if flags.cfg:
        print(OmegaConf.to_yaml(OmegaConf.create(asdict(found.config))), end="")
    else:
        resume(found.config, found.directory, found.changes)


def _import_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _leave_to_hydra(words: Sequence[str], run: Run) -> None:
    """What Hydra knows how to answer about itself."""
    import hydra

    register_schema()
    sys.argv[1:] = words
    os.environ[FULL_ERROR] = "1"  # Hydra then raises an error, where it would print it its own way and exit with 1
    hydra.main(version_base=VERSION, config_path=str(FOLDER), config_name="config")(lambda cfg: job(run, cfg))()
