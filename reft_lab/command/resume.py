"""`resume=RUN_DIR`: the experiment of a saved run, with what may change in it changed by the command line."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reft_lab.compose.conf import Conf, composing, experiment_of
from reft_lab.compose.words import as_words, overrides_of, parse, parse_flags, register_rewards
from reft_lab.config.check import check
from reft_lab.config.schema import Config
from reft_lab.config.wording import given_twice, shown
from reft_lab.errors import BadInput
from reft_lab.methods import METHODS
from reft_lab.run_dir.changes import changes, flat, is_longer, keep_found, refuse_others
from reft_lab.run_dir.saved import SavedRun, fix_paths, read

AUTO = "auto"


@dataclass(frozen=True)
class Resumption:
    """A run that is going to go on.

    Attributes:
        config: the experiment, checked.
        directory: its run directory.
        changes: what differs from the saved config, as `ppo.iterations: 60 -> 80`.
    """

    config: Config
    directory: Path
    changes: list[str]


def split_resume(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """What `resume=` asks for on a command line (None: nothing), and the other words.

    Raises:
        BadInput: it cannot be meant so.
    """
    asked = [word for word in words if word.startswith("resume=")]
    others = [word for word in words if word not in asked]
    flags = parse_flags(others)
    if not asked or flags.help or flags.hydra_help or flags.shell_completion or asked == ["resume=null"]:
        return None, list(words)
    if len(asked) > 1:
        raise BadInput(given_twice("resume", *asked[:2]))
    if flags.multirun:
        raise BadInput(f"{asked[0]} goes on with one run, and -m starts several; leave one of them out.")
    if flags.info is not None or flags.cfg not in (None, "job"):
        raise BadInput(f"{asked[0]} goes with --cfg job, which prints what would run, and with no other such flag.")
    value = asked[0].removeprefix("resume=")
    if value.strip("'\" ") == "":
        raise BadInput("resume= has no value; write resume=RUN_DIR, or resume=auto.")
    if value[0] == value[-1] and value[0] in "'\"":  # the quotes are for Hydra, which never sees this word
        value = value[1:-1]
    return value, others


def continued(directory: Path, words: Sequence[str]) -> Resumption | str:
    """The run in `directory`, which is to go on with the overrides in `words`; a sentence where nothing is left to do.

    Raises:
        BadInput: it cannot go on, or not with them.
    """
    saved = read(directory)
    return with_changes(saved, overridden(saved, parse_flags(words)))


def with_changes(saved: SavedRun, wanted: DictConfig) -> Resumption | str:
    """The saved run, which is to go on as `wanted`; a sentence on what came of it where nothing is left to do.

    Raises:
        BadInput: that would be another experiment, or `wanted` is not possible.
    """
    before, after = flat(saved.experiment), flat(wanted)
    found = changes(before, after, warmup_is_over=saved.warmup_is_over)
    refuse_others(found, saved.directory)
    if saved.finished and not is_longer(before, after):
        return _summary(saved)
    keep_found(saved.experiment, wanted)
    return Resumption(check(wanted), saved.directory, [str(change) for change in found])


def overridden(saved: SavedRun, flags: Namespace) -> DictConfig:
    """The experiment of a saved run with the overrides of a command line in it.

    Raises:
        BadInput: an override cannot be.
    """
    wanted = saved.experiment.copy()
    if not flags.overrides:
        return wanted
    conf = Conf(*_where_its_conf_is(saved, flags))
    overrides = overrides_of(flags.overrides, conf)
    for override in overrides:
        if override.is_hydra_override() or override.key_or_group.partition(".")[0] == "hydra":
            raise BadInput(f"{override.input_line} does not go with resume=, which goes on in the run's own directory.")
    for key, value in _composed_differences(saved, overrides, conf).items():
        OmegaConf.update(wanted, key, value)
    for override in overrides:  # also where conf/ says today what the saved run does not
        if not _is_choice(override, conf):
            value = override.value()
            with composing():
                OmegaConf.update(wanted, override.key_or_group, value, merge=isinstance(value, dict))
    fix_paths(wanted, Path.cwd())
    return wanted


def _is_choice(override: Override, conf: Conf) -> bool:
    """Whether it names a file of conf/; `tracker={samples: 3}` sets options, though there is conf/tracker."""
    return override.key_or_group in conf.groups and not isinstance(override.value(), dict)


def _composed_differences(saved: SavedRun, overrides: Sequence[Override], conf: Conf) -> dict[str, Any]:
    """Options that come out otherwise when `overrides` join the command line that the run was started with."""
    choices = {override.key_or_group: override.value() for override in overrides if _is_choice(override, conf)}
    try:
        task = saved.hydra["overrides"]["task"]
        own = [*(word for word in saved.hydra["overrides"]["hydra"] if word.startswith("hydra.searchpath=")), *task]
        parsed = parse(own, conf)
        register_rewards(parsed, conf)
        before = flat(experiment_of(conf.compose(own)))
    except (BadInput, KeyError, TypeError, OmegaConfBaseException) as error:
        if not choices:
            return {}
        why = "its command line is not known" if isinstance(error, KeyError) else str(error).rstrip(".")
        group, choice = next(iter(choices.items()))
        raise BadInput(
            f"{group}={shown(choice)} cannot be combined with what the run in {saved.directory} was started with "
            f"({why}); set options one by one."
        ) from error
    kept = [override for override in parsed if override.key_or_group not in choices or not _is_choice(override, conf)]
    with composing():
        after = flat(experiment_of(conf.compose(as_words([*kept, *overrides]))))
    # What a choice says counts in any case: an earlier resumption may have changed it from what `before` says.
    chosen = {
        key
        for group, choice in choices.items()
        for name in (choice if isinstance(choice, list) else [choice])
        for key in conf.options_set_by(group, str(name))
    }
    return {key: value for key, value in after.items() if value != before[key] or key in chosen}


def _where_its_conf_is(saved: SavedRun, flags: Namespace) -> tuple[str | None, str]:
    """--config-dir and --config-name, as given now or as the run had them."""
    folder, name = flags.config_dir, flags.config_name
    sources = saved.hydra.get("runtime", {}).get("config_sources", [])
    known = [source["path"] for source in sources if source.get("provider") == "command-line"]
    if folder is None and known and Path(known[0]).is_dir():
        folder = known[0]
    return folder, name or saved.hydra.get("job", {}).get("config_name", "config")


def _summary(saved: SavedRun) -> str:
    """What came of a finished run, in one line."""
    scores = saved.result.get("final") or {}
    known = [f"{split} {100 * scores[split]['accuracy']:.1f} %" for split in ("dev", "test") if scores.get(split)]
    last = METHODS[saved.experiment.method].last
    limit = (saved.result.get("budget") or f"{last.section}.{last.length}").partition("=")[0]
    return (
        f"the run in {saved.directory} is finished ({', '.join(known)}; {saved.directory / 'result.json'}); "
        f"a larger {limit} makes it longer."
    )
