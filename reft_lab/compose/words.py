"""The words of a command line: flags, and overrides that are checked one by one before anything is composed."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from reft_lab.compose.conf import Conf
from reft_lab.compose.sweep_syntax import choice_with_null_as_list, unreadable, without_multirun
from reft_lab.config.options import options, sections, study_options, study_sections
from reft_lab.config.wording import given_twice, shown, unknown_choice, unknown_option, which_study
from reft_lab.errors import BadInput
from reft_lab.installed import command

# What Hydra reads as text without quotes. Words such as null, true and 1e5 are not among it.
PLAIN_TEXT = re.compile(r"(?!(?:null|true|false|nan|inf)$)[A-Za-z_][\w./-]*", re.IGNORECASE | re.ASCII)


# Groups of which several choices may be taken at once: decode=[vote,pass].
LISTS = ("decode",)


class FlagParser(ArgumentParser):
    """The flags of Hydra 1.3."""

    def __init__(self) -> None:
        super().__init__(add_help=False)
        self.add_argument("overrides", nargs="*")
        for name, short in (("run", "-r"), ("multirun", "-m"), ("help", "-h"), ("shell-completion", "-sc")):
            self.add_argument(f"--{name}", short, action="store_true")
        for name in ("hydra-help", "resolve"):
            self.add_argument(f"--{name}", action="store_true")
        for name, short in (("package", "-p"), ("config-path", "-cp"), ("config-name", "-cn"), ("config-dir", "-cd")):
            self.add_argument(f"--{name}", short)
        self.add_argument("--experimental-rerun")
        self.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
        topics = ["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"]
        self.add_argument("--info", "-i", const="all", nargs="?", choices=topics)
        self.add_argument("--version", action="version", version=f"Hydra {hydra.__version__}")
        self.words: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Raise BadInput where argparse would print its usage."""
        word = next((word for word in self.words if word.startswith("--") and "=" in word), None)
        hint = f"options are written without dashes, {word.lstrip('-')}" if word else f"see `{command()} --help`"
        raise BadInput(f"{message}; {hint}.")


def parse_flags(words: Sequence[str]) -> Namespace:
    """The flags, and in `overrides` the other words.

    Raises:
        BadInput: a flag that there is not, or two that exclude each other.
    """
    parser = FlagParser()
    parser.words = words
    flags = parser.parse_intermixed_args(list(words))
    if sum(map(bool, (flags.run, flags.multirun, flags.cfg, flags.info, flags.shell_completion))) > 1:
        parser.error("only one of --run, --multirun, --cfg, --info and --shell-completion can be given")
    if flags.resolve and not flags.cfg:
        parser.error("--resolve goes with --cfg")
    return flags


def as_text(value: Any) -> str:
    """A value as Hydra parses it back from the right-hand side of an override."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return value if PLAIN_TEXT.fullmatch(value) else QuotedString(value, Quote.single).with_quotes()
    if isinstance(value, list):
        return f"[{','.join(map(as_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{as_text(key)}:{as_text(entry)}' for key, entry in value.items())}}}"
    return str(value)


def plain(value: Any) -> Any:
    """A parsed value as YAML has it, without the quotes that Hydra remembers."""
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {plain(key): plain(entry) for key, entry in value.items()}
    return value.text if isinstance(value, QuotedString) else value


def as_words(overrides: Sequence[Override]) -> list[str]:
    """The words that overrides were parsed from, as Hydra reads them."""
    return [str(override.input_line) for override in overrides]


def overrides_of(words: Sequence[str], conf: Conf, *, multirun: bool = False) -> list[Override]:
    """The overrides that `words` stand for, checked. A reward of the user's own among them becomes a choice.

    Raises:
        BadInput: one cannot be.
    """
    overrides = parse(words, conf)
    register_rewards(overrides, conf)
    check_overrides(overrides, conf, multirun)
    return overrides


def parse(words: Sequence[str], conf: Conf) -> list[Override]:
    """The overrides that `words` stand for.

    Raises:
        BadInput: a word is not OPTION=VALUE.
    """
    parser = OverridesParser.create(config_loader=conf.loader)
    return [_parse(choice_with_null_as_list(word), parser) for word in words]


def _parse(word: str, parser: OverridesParser) -> Override:
    key, equals, value = word.partition("=")
    if not key or (not equals and not key.startswith("~")):
        raise BadInput(f"{word} is not OPTION=VALUE; `{command()} --help` shows how it goes.")
    if equals and value.strip() in ("", "''", '""'):
        raise BadInput(f"{key}= has no value; write {key}=VALUE, or {key}=null for none.")
    try:
        return parser.parse_overrides([word])[0]
    except HydraException as error:
        if hint := unreadable(key, value):
            raise BadInput(f"{word} cannot be read: {hint}.") from error
        reason = next((line for line in str(error).splitlines() if " at" in line or "mismatched" in line), "bad syntax")
        raise BadInput(
            f"{word} cannot be read ({reason}); a value with special characters goes in quotes, as in '{key}=\"a, b\"'."
        ) from error


def check_overrides(overrides: Sequence[Override], conf: Conf, multirun: bool) -> None:
    """Every override names something there is, once, and in a way that can work. Hydra's own options pass unseen.

    Raises:
        BadInput: one does not.
    """
    searchpath = [str(o.input_line) for o in overrides if o.key_or_group == "hydra.searchpath"]
    seen: dict[str, Override] = {}
    for override in overrides:
        if override.is_hydra_override() or override.key_or_group == "hydra":
            continue
        key = override.key_or_group
        if override.package is not None:
            raise BadInput(f"{override.input_line}: every choice has its place already; write {key} without @.")
        if re.match(r"sweeps\.params\b", key):
            raise BadInput(f"{override.input_line}: write what is searched by itself, as in ppo.lam=interval(0.9,1).")
        if not any(key in known for known in (conf.groups, options(), sections(), study_options(), study_sections())):
            raise BadInput(unknown_option(key, conf.groups))
        _check_form(override, multirun)
        if key in seen:
            raise BadInput(given_twice(key, str(seen[key].input_line), str(override.input_line)))
        seen[key] = override
        if key in conf.groups:
            _check_choice(override, conf, searchpath)
    of_a_study = next((override for key, override in seen.items() if re.match(r"sweeps[./]", key)), None)
    if of_a_study is not None and "sweeps" not in seen:
        raise BadInput(which_study(str(of_a_study.input_line)))


def _check_form(override: Override, multirun: bool) -> None:
    key, line = override.key_or_group, override.input_line
    if override.is_delete():
        raise BadInput(f"{line}: nothing can be taken out of an experiment; an option that may be null is set to null.")
    if override.is_add() or override.is_force_add():
        raise BadInput(f"{line}: nothing can be added to an experiment; {key} is there already, write it without +.")
    if override.is_sweep_override() and re.match(r"sweeps\b", key):
        if key in study_options() and study_options()[key].kind.startswith("a list"):
            values = str(line).partition("=")[2]
            raise BadInput(f"{line}: {key} is one list; write it in brackets: '{key}=[{values}]'.")
        raise BadInput(f"{line}: a command line has one study, so {key} has one value; run the others by themselves.")
    if override.is_sweep_override() and not multirun:
        raise BadInput(without_multirun(key, str(line)))


def _check_choice(override: Override, conf: Conf, searchpath: Sequence[str]) -> None:
    group, choices = override.key_or_group, conf.choices(override.key_or_group, searchpath)
    for value in values_of(override):
        if isinstance(value, list) and group not in LISTS:
            raise BadInput(f"{group}={shown(value)} is not a choice: {group} takes one, such as {group}={choices[0]}.")
        for choice in value if isinstance(value, list) else [value]:
            if not isinstance(value, dict) and choice not in choices:
                raise BadInput(unknown_choice(group, choice, choices))


def values_of(override: Override) -> list[Any]:
    """The value, or those a sweep goes through."""
    if override.is_discrete_sweep():
        return list(override.sweep_string_iterator())
    return [override.value()] if not override.is_sweep_override() else []


def register_rewards(overrides: Sequence[Override], conf: Conf) -> None:
    """Make `reward=my_module.my_function` a choice, as if there were a file for it in conf/reward."""
    for override in overrides:
        if override.key_or_group != "reward":
            continue
        for name in values_of(override):
            if isinstance(name, str) and "." in name and name not in conf.choices("reward"):
                node = {"function": name}
                ConfigStore.instance().store(group="reward", name=name, node=node, provider="reft_lab")
