"""What a run is: the facts that one wants to know first, its config beside the default, its passport."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reft_lab.analysis.found import RUNNING, Found
from reft_lab.analysis.schema import row_of
from reft_lab.analysis.settings import default_options, is_bookkeeping
from reft_lab.config.wording import shown
from reft_lab.methods import STAGES, method_of
from reft_lab.numbers import duration
from reft_lab.text import counted

EXPERIMENT = "experiment"  # the section of options that have none
LONG = 44  # characters of a value that is shown whole
IN_A_TAB = 4  # options that the title of a page has room for
NAMES = {"diff_hash": "hash of uncommitted changes", "gpus": "GPUs"}


@dataclass(frozen=True)
class Option:
    """One option of the config.

    Attributes:
        key: its name, within its section or whole.
        value: its value, as one writes it on the command line.
        default: its value in `python run.py`, where that is another one; else None.
    """

    key: str
    value: str
    default: str | None

    @property
    def short(self) -> str:
        """Its value, of a long path the end."""
        return self.value if len(self.value) <= LONG else f"…{self.value[-LONG:]}"


def facts(run: Found, passport: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What one wants to know of a run first, as (name, value); its `passport` says where it forks from."""
    row = row_of(run)
    found = [(key, row[key]) for key in ("method", "model", "data", "cot", "reward", "seed", "study", "trial")]
    if isinstance(fork := passport.get("fork"), Mapping):
        found.append(("fork of", f"{fork.get('run')} at {fork.get('moment')} (step {fork.get('step')})"))
        found.append(("changed there", _text(fork.get("changed") or {})))
    if run.started is not None:
        found.append(("started", f"{run.started:%Y-%m-%d %H:%M} UTC"))
    if not math.isnan(row["seconds"]):
        found.append(("took" if run.state == "finished" else "ran for", duration(row["seconds"])))
    found += [("chosen checkpoint", row["chosen"]), ("last step", None if run.step is None else f"{run.step:,}")]
    return [(name, str(value)) for name, value in found if value is not None]


def under_way(run: Found) -> str:
    """How far a run is that a process works on."""
    return "Under way." if run.doing is None else f"Under way: {run.doing.at(datetime.now(UTC))}."


def runs_under_way(count: int) -> str:
    """How many runs of a study processes work on."""
    return f"{counted(count, 'run')} under way"


def standing(run: Found) -> str:
    """How far a run without a result was when this page was written; empty for all others."""
    if run.result:
        return ""
    where = "" if run.doing is None else f": {run.doing.at(datetime.now(UTC)) if run.state == RUNNING else run.doing}"
    said = "It was running" if run.state == RUNNING else "It had stopped"
    return f"{said} when this page was written, {now()}{where}."


def now() -> str:
    """The time, for a page."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def config_sections(run: Found) -> list[tuple[str, list[Option]]]:
    """Options by section, in the order of the config; empty where the config cannot be read."""
    if not run.config:
        return []
    usual = default_options()
    sections: dict[str, list[Option]] = {EXPERIMENT: []}
    for name, value in run.config.items():
        section, _, key = name.rpartition(".")
        same = name not in usual or usual[name] == value or name == "name"
        option = Option(key, shown(value), None if same else shown(usual[name]))
        sections.setdefault(section or EXPERIMENT, []).append(option)
    return list(sections.items())


def changed_options(sections: Iterable[tuple[str, list[Option]]], config: Mapping[str, Any]) -> list[Option]:
    """The options that make a run another experiment than `python run.py`, by their dotted names; the seed comes last.

    What only says where a run is kept and seen is left out, and so are the settings of stages that it does not have.

    Args:
        sections: all options.
        config: of the run, flat.
    """
    own = {stage.section for stage in method_of(config).stages} | {config.get("baseline")}
    others = {stage.section for stage in STAGES.values()} - own
    named = (
        (option.key if section == EXPERIMENT else f"{section}.{option.key}", option)
        for section, options in sections
        if section not in others
        for option in options
    )
    changed = [
        Option(name, option.value, option.default)
        for name, option in named
        if option.default is not None and (name == "seed" or not is_bookkeeping(name))
    ]
    return sorted(changed, key=lambda option: option.key == "seed")


def tab_title(run: Found, name: str, changed: Sequence[Option]) -> str:
    """The title of a run's page: what tells it apart comes first, since a tab shows little."""
    options = [f"{option.key.rpartition('.')[2]}={option.value}" for option in changed]
    more = len(options) - IN_A_TAB
    told = " ".join(options[:IN_A_TAB]) + (f" and {more} more" if more > 0 else "")
    return " · ".join(filter(None, (told, name, _whereabouts(run))))


def _whereabouts(run: Found) -> str:
    """The end of a run's path: within its study, or the folder it was run in."""
    if run.directory is None:
        return ""
    directory, folder = run.directory.absolute(), run.place.folder
    if folder is not None and directory.is_relative_to(folder.absolute().parent):
        return directory.relative_to(folder.absolute().parent).as_posix()
    return "/".join(directory.parts[-2:])


def passport_groups(passport: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The passport as groups of (name, value): the run itself, then each object in it."""
    groups: list[tuple[str, list[tuple[str, str]]]] = [("run", [])]
    for key, value in passport.items():
        if isinstance(value, Mapping):
            groups.append((_name(key), [(_name(name), _text(each)) for name, each in value.items()]))
        elif key == "resumed" and isinstance(value, list):
            groups += [
                (f"resumed, time {number}", [(_name(name), _text(each)) for name, each in entry.items()])
                for number, entry in enumerate(value, start=1)
                if isinstance(entry, Mapping)
            ]
        else:
            groups[0][1].append((_name(key), _text(value)))
    return [(title, entries) for title, entries in groups if entries]


def _name(key: Any) -> str:
    return NAMES.get(str(key), str(key).replace("_", " "))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items()) or "none"
    return "none" if value is None else str(value)
