"""The workspace: which panels stand where.

A metric has a panel in the section of its group, under the label and unit of the catalogue; written out here are the
panels that show several metrics, or something else.
"""

from __future__ import annotations

from collections.abc import Iterable

from reft_lab import metrics
from reft_lab.answers.outcome import KINDS
from reft_lab.dashboard.panels import (
    Bars,
    Differences,
    Importance,
    Lines,
    Panel,
    Parallel,
    Scatter,
    Section,
    Table,
    Text,
)
from reft_lab.methods import METHODS, RECORDS
from reft_lab.metrics import SHARE, Metric, find, headlines, members, of_group, recorded
from reft_lab.tracking.wandb_artifacts import SAMPLES

TEST_ACCURACY = "result/final/test_accuracy"
TEST_ACCURACIES = (TEST_ACCURACY, "result/warmup/test_accuracy", "result/baseline_sft/test_accuracy")
BEST_ACCURACY = "eval/best_accuracy"
SEARCHED = ("warmup.epochs", "ppo.lr", "ppo.kl_coef", "ppo.gamma", "ppo.lam", "seed")
SMOOTHING = 0.8
ANSWERED = KINDS.index("wrong") + 1  # outcomes that have an answer come first


def curve(metric: Metric, *, by_group: bool = False) -> Lines:
    """A metric or a family of the catalogue by itself; `by_group` one line for each study."""
    return Lines(
        metric.label + (", mean and range of a study" if by_group else ""),
        _names(metric),
        metric.unit,
        log=metric.log,
        smoothing=SMOOTHING if metric.noisy else 0.0,
        by_group=by_group,
    )


def _names(metric: Metric) -> tuple[str, ...]:
    return members(metric.name, RECORDS)


def _group(name: str, *panels: Panel) -> Section:
    """The section of a group: a panel for each of its metrics that is on none of `panels` over time, and these."""
    drawn = {name for panel in panels if isinstance(panel, Lines) and not panel.by_group for name in panel.metrics}
    alone = (curve(metric) for metric in of_group(name) if not drawn & {*_names(metric)})
    return Section(name, (*alone, *panels))


def _outcomes(of: str) -> tuple[Panel, ...]:
    """What became of the responses of a section of metrics: all of it as shares, and the rarer kinds by themselves."""
    label, names = find(f"{of}/outcome/KIND").label, members(f"{of}/outcome/KIND")
    return (
        Lines(f"{label}, first run shown", names, SHARE, shares=True),
        Lines(f"{label}: right and wrong", names[:ANSWERED], SHARE, smoothing=SMOOTHING),
        Lines(f"{label}: without an answer, by cause", names[ANSWERED:], SHARE, smoothing=SMOOTHING),
    )


SECTIONS = (
    Section(
        "overview",
        (
            *(curve(metric) for metric in headlines()),
            curve(find("eval/accuracy"), by_group=True),
            Bars("Test accuracy: ReFT, warm-up, best SFT", TEST_ACCURACIES, SHARE),
            curve(find(BEST_ACCURACY)),
            Lines("Alarms (1 while one lasts)", tuple(alarm.name for alarm in of_group(metrics.ALARMS)), top=1),
        ),
        is_open=True,
    ),
    _group(metrics.SUPERVISED),
    _group(
        metrics.ROLLOUTS,
        Lines("Length of a response: sampled, greedy", ("rollout/length", "eval/length"), "tokens"),
        Lines("Responses cut at the length cap", ("rollout/truncated_share", "eval/truncated_share"), SHARE, top=1),
    ),
    _group(metrics.LEARNING, curve(find("rollout/reward"), by_group=True), *_outcomes("rollout"), *_outcomes("eval")),
    _group(metrics.UPDATE),
    _group(
        metrics.KL,
        curve(find("ppo/kl_ref"), by_group=True),
        Scatter("Accuracy bought with KL", "ppo/kl_ref", BEST_ACCURACY),
    ),
    _group(
        metrics.VALUE,
        Lines("Value and reward of the rollouts", ("rollout/value", "rollout/reward"), "reward", smoothing=SMOOTHING),
    ),
    _group(metrics.RERANKER),
    Section(
        "samples",
        (
            Table(SAMPLES),
            Text(
                "Responses that the policy sampled, as each run last recorded them. For those of all steps, change the "
                f'query of the table to `runs.history.concat["{SAMPLES}"]`.'
            ),
        ),
    ),
    _group(
        metrics.SPEED,
        Lines(
            "Where an iteration's time goes",
            ("time/rollout_seconds", "time/judge_seconds", "time/score_seconds", "time/update_seconds"),
            "s",
        ),
        Lines("Wall time so far", ("seconds",), "s"),
    ),
    _group(
        metrics.MACHINE,
        Lines("CPUs: of the machine, for the run", ("machine/cpu", "machine/run_cpu"), SHARE, top=1),
    ),
    Section(
        "sweep",
        (
            Parallel("Settings and test accuracy", SEARCHED, TEST_ACCURACY, "test accuracy"),
            Importance(BEST_ACCURACY),
            Bars("Test accuracy of a study, mean and range", (TEST_ACCURACY,), SHARE, by_group=True),
            Scatter("Dev and test", BEST_ACCURACY, TEST_ACCURACY),
            Differences(),
            Text(
                "Runs of a study share a W&B group. To see the seeds of one setting as a band, group the runs by the "
                "options of the study; `reft dashboard ENTITY/PROJECT --study NAME` makes a report that does."
            ),
        ),
    ),
)


def sections_of(methods: Iterable[str]) -> list[Section]:
    """The sections for runs of these methods, by their names in METHODS; all where there is none yet.

    A section of a group of metrics is left out where none of the methods records any of them.
    """
    stages = {section for name in methods for section in METHODS[name].records}
    if not stages:
        return list(SECTIONS)
    there = set(recorded(stages, switches=None))
    return [section for section in SECTIONS if not of_group(section.name) or there & _metrics_of(section.name)]


def _metrics_of(group: str) -> set[str]:
    return {name for metric in of_group(group) for name in _names(metric)}
