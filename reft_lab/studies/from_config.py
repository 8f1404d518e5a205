"""From the composed config and the command line to a Definition that is known to make sense."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reft_lab.compose.composed import Composed
from reft_lab.compose.conf import Conf, experiment_of
from reft_lab.compose.words import LISTS, as_text, as_words, overrides_of, parse
from reft_lab.config.check import typed
from reft_lab.config.explain import explain
from reft_lab.config.sweeps import SweepsConfig
from reft_lab.config.wording import wrong_folder_name
from reft_lab.errors import BadInput
from reft_lab.methods import METHODS
from reft_lab.run_dir.changes import flat
from reft_lab.studies.definition import Definition
from reft_lab.studies.objective import objectives
from reft_lab.studies.parameter import Parameter
from reft_lab.studies.samplers import check_sampler
from reft_lab.studies.search_space import check_values, from_entry, from_override, zipped
from reft_lab.studies.storage import check_storage

JOURNAL = "journal.log"  # the ending that optuna-dashboard and its like take for a journal
TRIALS = 20
LARGEST_GRID = 10_000


def from_config(composed: Composed) -> Definition:
    """The study that a command line stands for.

    Raises:
        BadInput: anything in it cannot be.
    """
    cfg, conf = composed.node, composed.conf
    given = [override for override in composed.overrides if not _is_about_the_sweep(override)]
    from_file = _overrides_of_the_file(cfg, given, conf)
    meant = _with_overrides_of_the_file(composed, from_file)
    sweeps = typed(SweepsConfig, _plain(meant.sweeps), "sweeps")
    space = _space(sweeps, cfg, given, conf)
    fixed = _fixed(composed, given, from_file, space)
    folder = Path(str(cfg.hydra.sweep.dir)).absolute()
    definition = Definition(
        name=sweeps.name,
        folder=folder,
        storage=sweeps.storage or f"journal://{folder / JOURNAL}",
        space=space,
        fixed=fixed,
        first=_first(sweeps, given, space),
        objectives=objectives(sweeps, meant.method, critic=METHODS[meant.method].has_critic(meant)),
        trials=_trials(sweeps, space),
        sampler=sweeps.sampler,
        pruner=sweeps.pruner,
        seeds=tuple(sweeps.seeds),
        workers=sweeps.workers,
        gpus=None if sweeps.gpus is None else tuple(sweeps.gpus),
        retries=sweeps.retries,
        max_failure_rate=sweeps.max_failure_rate,
        confirm=sweeps.confirm,
        devices=meant.trainer.devices,
        flags=_flags(composed),
        needs=sweeps.needs,
    )
    _check_together(definition)
    check_sampler(definition)
    check_storage(definition)
    return definition


def _plain(node: DictConfig) -> dict[str, Any]:
    try:
        return dict(OmegaConf.to_container(node, resolve=True, throw_on_missing=True))  # type: ignore[arg-type]
    except OmegaConfBaseException as error:
        raise BadInput(explain(error)) from error


def _is_about_the_sweep(override: Override) -> bool:
    return re.match(r"(sweeps|hydra)\b", override.key_or_group) is not None


def _flags(composed: Composed) -> tuple[str, ...]:
    """What Hydra needs on the command line of each run to compose as it did here."""
    flags = composed.flags
    folder = None if flags.config_dir is None else Path(flags.config_dir).absolute()
    kept = {"--config-path": flags.config_path, "--config-dir": folder, "--config-name": flags.config_name}
    return (*(f"{flag}={value}" for flag, value in kept.items() if value is not None), *_searchpath(composed))


def _searchpath(composed: Composed) -> list[str]:
    return as_words([override for override in composed.overrides if override.key_or_group == "hydra.searchpath"])


def _space(sweeps: SweepsConfig, cfg: DictConfig, given: Sequence[Override], conf: Conf) -> tuple[Parameter, ...]:
    """The file's space, with what the command line says of it in place of what the file says."""
    own = {override.key_or_group: override for override in given}
    listed = {**(cfg.hydra.sweeper.get("params") or {}), **sweeps.params}
    found = {key: from_entry(str(key), entry, conf) for key, entry in listed.items() if key not in own}
    swept = {key: from_override(override, conf) for key, override in own.items() if override.is_sweep_override()}
    order = [key for key in listed if key in found or key in swept]
    space = {key: found.get(key) or swept[key] for key in order} | swept
    if not space:
        raise BadInput(
            "the study has nothing to search; give a range on the command line, such as 'ppo.lam=interval(0.9,1)', or "
            "in sweeps.params."
        )
    return zipped(space, sweeps.zip)


def _overrides_of_the_file(cfg: DictConfig, given: Sequence[Override], conf: Conf) -> list[Override]:
    """What sweeps.fixed says, less what the command line says otherwise."""
    own = {override.key_or_group for override in given}
    words = _plain(cfg.sweeps)["fixed"] or []
    for override in parse(words, conf):
        if _is_about_the_sweep(override):
            raise BadInput(f"sweeps.fixed has {override.input_line}, which is not about an experiment; take it out.")
    found = overrides_of(words, conf)
    foreign = {f"{group}." for group in _foreign(cfg, found, given, conf)}
    return [each for each in found if each.key_or_group not in own and not each.key_or_group.startswith(tuple(foreign))]


def _foreign(cfg: DictConfig, fixed: Sequence[Override], given: Sequence[Override], conf: Conf) -> list[str]:
    """The groups of which the command line takes a file that the study's own does not.

    Options of such a section that the study fixes belong to its own files: data.source=paper to data=gsm8k, not to
    data=arithmetic. Those of a group of which several may be taken belong to no single file: decode.k goes with any.
    """
    entries = _plain(cfg.sweeps)["params"] or {}
    known = {key: from_entry(key, entry, conf).choices for key, entry in entries.items() if key in conf.groups}
    known |= {each.key_or_group: (each.value(),) for each in fixed if each.key_or_group in conf.groups}
    taken = {
        each.key_or_group: each.sweep_string_iterator() if each.is_discrete_sweep() else [each.value()]
        for each in given
        if each.key_or_group in known and each.key_or_group not in LISTS
    }
    return [group for group, choices in taken.items() if not set(map(str, choices)) <= set(map(str, known[group]))]


def _with_overrides_of_the_file(composed: Composed, from_file: Sequence[Override]) -> DictConfig:
    """The study as it looks beside the experiment that its trials run, to which it may refer (${ppo.lam})."""
    cfg, conf = composed.node, composed.conf
    refers = "${" in OmegaConf.to_yaml(cfg.sweeps)
    if not from_file or not (refers or any(override.key_or_group in conf.groups for override in from_file)):
        return cfg
    return conf.compose(as_words([*composed.overrides, *from_file]), RunMode.MULTIRUN)


def _fixed(
    composed: Composed, given: Sequence[Override], from_file: Sequence[Override], space: Sequence[Parameter]
) -> tuple[str, ...]:
    """What every run is given: the file's words, then the command line's."""
    searched = {key for parameter in space for key in parameter.keys}
    for override in from_file:
        if override.key_or_group in searched:
            raise BadInput(f"{override.key_or_group} is in sweeps.fixed and in the space; take it out of one of them.")
    words = as_words([override for override in given if not override.is_sweep_override()])
    return (*as_words(from_file), *_beside(composed, words, searched), *words)


def _beside(composed: Composed, words: Sequence[str], searched: set[str]) -> list[str]:
    """Options of the experiment that the file of a study sets itself, which only one of `@package _global_` can."""
    conf = composed.conf
    if conf.package("sweeps", composed.choice("sweeps")) != "_global_":
        return []
    before = flat(experiment_of(conf.compose([*_searchpath(composed), *words])))
    after = flat(experiment_of(composed.node))
    return [f"{key}={as_text(value)}" for key, value in after.items() if value != before[key] and key not in searched]


def _first(sweeps: SweepsConfig, given: Sequence[Override], space: Sequence[Parameter]) -> tuple[dict[str, Any], ...]:
    """The settings to begin with, without what the command line fixes."""
    fixed = {override.key_or_group for override in given if not override.is_sweep_override()}
    settings = []
    for number, values in enumerate(sweeps.first):
        searched = {key: value for key, value in values.items() if key not in fixed}
        settings.append(check_values(searched, space, f"sweeps.first, entry {number},"))
    return tuple(settings)


def _trials(sweeps: SweepsConfig, space: Sequence[Parameter]) -> int:
    if sweeps.sampler.name != "grid":
        return sweeps.trials or TRIALS
    for parameter in space:
        if math.isinf(parameter.size):
            raise BadInput(
                f"sweeps/sampler=grid tries every value, and {parameter.key}={parameter} has infinitely many; "
                "list some, give a step, or take another sampler."
            )
    points = math.prod(int(parameter.size) for parameter in space)
    if points > LARGEST_GRID:
        raise BadInput(
            f"the grid has {points} points, which are too many to try; take another sampler, or fewer values."
        )
    if sweeps.trials not in (None, points):
        raise BadInput(
            f"sweeps.trials={sweeps.trials} does not go with a grid, which has {points} points; leave it out."
        )
    return points


def _check_together(definition: Definition) -> None:
    """What no option of a study can know alone."""
    searched = {key for parameter in definition.space for key in parameter.keys}
    if wrong := wrong_folder_name("sweeps.name", definition.name):
        raise BadInput(wrong)
    for key, values in (("seeds", definition.seeds), ("gpus", definition.gpus or ())):
        if len(set(values)) < len(values) or any(value < 0 for value in values):
            raise BadInput(f"sweeps.{key}={list(values)} is not possible: it takes different numbers, 0 or more.")
    if definition.gpus == ():
        raise BadInput("sweeps.gpus=[] names no GPU; leave it out, or take trainer=cpu.")
    if "trainer.devices" in searched:
        raise BadInput("trainer.devices changes nothing that a study could compare; give it one value.")
    if definition.gpus and len(definition.gpus) % definition.devices:
        raise BadInput(
            f"sweeps.gpus={list(definition.gpus)} cannot be handed out in sets of "
            f"trainer.devices={definition.devices}; name a multiple of {definition.devices} of them."
        )
    if definition.seeds and ("seed" in searched or any(word.startswith("seed=") for word in definition.fixed)):
        raise BadInput("sweeps.seeds sets the seed of each run; leave seed= out, or leave sweeps.seeds out.")
    if definition.confirm and ("seed" in searched or len(definition.objectives) > 1):
        why = "the seed is searched" if "seed" in searched else "several objectives have no one winner"
        raise BadInput(f"sweeps.confirm={definition.confirm} is not possible: {why}; take sweeps.confirm=0.")
    if len(definition.first) > definition.trials:
        raise BadInput(
            f"sweeps.first has {len(definition.first)} settings and there are {definition.trials} trials; raise "
            "sweeps.trials."
        )
    if definition.first and definition.sampler.name == "grid":
        raise BadInput("sweeps.first does not go with a grid, which has every point once; leave it out.")
    if (definition.folder / "multirun.yaml").exists():
        raise BadInput(
            f"{definition.folder} holds a plain multirun and no study; take another sweeps.name or hydra.sweep.dir."
        )
