"""What --help prints."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from omegaconf import OmegaConf

from reft_lab.compose.conf import Conf
from reft_lab.compose.search_path import FOLDER, GROUP, PARTS
from reft_lab.config.options import sections
from reft_lab.installed import HOME, SCRIPT, command

WIDTH = 118
# Groups in the order a newcomer meets them; others follow. `recipe` is taken by itself, so it is not offered.
ORDER = (
    "model",
    "data",
    "cot",
    "reward",
    "method",
    "experiment",
    "preset",
    "tuned",
    "lora",
    "ablation",
    "trainer",
    "tracker",
    "debug",
)
HIDDEN = ("recipe",)
STUDIES = (GROUP, *PARTS)

TEXT = """\
reft_lab: reasoning with reinforced fine-tuning (ReFT, arXiv 2401.08967).
One command is one experiment: warm a model up on worked examples, reinforce it with PPO, evaluate it.

Start here
  python run.py                                             tiny model, arithmetic problems: minutes on a CPU
  python run.py debug=quick                                 the whole path in seconds
  python run.py debug=overfit                               can it learn a few problems by heart?
  python run.py model=codellama data=svamp                  another model, another data set
  python run.py data=gsm8k data.path=DIR_OR_FILE            data from disk instead of the hub
  python run.py experiment=paper/gsm8k_program_codellama    a setting as published
  python run.py seed=1 ppo.kl_coef=0.05                     options set by hand
  python run.py -m reward=exact,partial seed=0,1            every combination, one run after the other
  python run.py -m sweeps=reft_search                       a search by Optuna; again: it goes on
  python run.py resume=RUN_DIR                              go on with a run that was stopped
  python run.py resume=auto seed=1                          go on with the newest such run of this kind, or start one
  python run.py fork=RUN_DIR@STEP ppo.kl_coef=0.05          a run of its own from another one's state
  python run.py --cfg job                                   print the experiment, run nothing
  python run.py preflight=true                              does it fit, how long will it take: nothing is run

Choices: GROUP=NAME, each a file conf/GROUP/NAME.yaml (* is taken unless you say otherwise)
{choices}
  reward=my_module.my_function takes a reward function of your own.

Studies: -m sweeps=NAME, each a file sweeps/NAME.yaml; then options sweeps.OPTION=VALUE, such as sweeps.trials=50
{studies}

Options: SECTION.OPTION=VALUE, such as ppo.lam=0.9 or warmup.epochs=5
{sections}
  docs/configuration.md has every option with its meaning, unit, range and default.

A run leaves everything in outputs/DATE/TIME-NAME/ (with -m: multirun/DATE/TIME-NAME/NUMBER/),
a study in multirun/NAME/.
Exit codes: 0 finished, 2 bad input, 1 anything else; stopped by a signal, with its state saved: 128 + its number
(130 Ctrl-C, 143 SIGTERM, 129 SIGHUP, 138 SIGUSR1, 140 SIGUSR2). Hydra's own flags: --hydra-help."""


def help_text(conf: Conf) -> str:
    """The page, with the choices that conf/ offers at the moment."""
    defaults = OmegaConf.to_container(OmegaConf.load(FOLDER / "config.yaml"))["defaults"]  # type: ignore[index, call-overload]
    taken = {group: name for entry in defaults if not isinstance(entry, str) for group, name in entry.items()}
    groups = [*ORDER, *(group for group in conf.groups if group not in ORDER + HIDDEN + STUDIES)]
    lines = [line for group in groups for line in _describe(group, taken.get(group), conf)]
    names = ", ".join(name for name in sections() if "." not in name and name != "study")  # a sweep sets that one
    studies = [line for group in STUDIES for line in _describe(group, None, conf)]
    text = TEXT.replace(f"python {SCRIPT}", command())
    return text.format(choices="\n".join(lines), studies="\n".join(studies), sections=_wrapped(f"Sections: {names}."))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _describe(group: str, taken: str | None, conf: Conf) -> Iterator[str]:
    choices = conf.choices(group)
    column = 17 if group in STUDIES else 11
    named = sorted((name for name in choices if "/" not in name), key=lambda name: (name != taken, name))
    for number, name in enumerate(named):
        line = f"  {'' if number else group:<{column}}{'*' if name == taken else ' '} {name:<19}{summary(group, name)}"
        yield line.rstrip()
    if inside := ", ".join(name for name in choices if "/" in name):  # a folder, such as paper/
        head, indent = f"  {'' if named else group:<{column}}  ", " " * (column + 4)
        yield from textwrap.wrap(inside, WIDTH, initial_indent=head, subsequent_indent=indent)


def summary(group: str, name: str) -> str:
    """The first clause of the comment on top of a choice's file; empty where there is none."""
    file = (HOME if group in STUDIES else FOLDER) / group / f"{name}.yaml"
    if not file.is_file():
        return ""
    comment = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# ") and not line.startswith(("# @package", "#   ")):
            comment.append(line[2:])
        elif not line.startswith("# @package"):
            break
    return re.split(r"(?<!\bDr)[.;] |\.$", " ".join(comment))[0]
