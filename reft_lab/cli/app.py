"""The commands of `reft` and their help. Their code is imported when they are called: `reft --help` is quick."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from reft_lab.cli.as_json import answer

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else on stdout.")]


class Split(StrEnum):
    """Where problems come from."""

    train = "train"
    dev = "dev"


@app.callback(help="Look at runs of reft_lab: list, compare and verify them, make reports and dashboards.")
def _reft() -> None:
    pass


@app.command("runs")
def list_runs(
    folders: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="FOLDER",
            help="Run directories or folders of runs, or wandb:ENTITY/PROJECT. [default: outputs multirun]",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="STATE",
            help="Only runs in this state: running, finished, failed, interrupted, pruned, crashed or damaged. "
            "Repeatable.",
        ),
    ] = None,
    where: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="KEY=VALUE",
            help="Only runs with this option or column, such as ppo.kl_coef=0.05 or model=tiny; also with "
            "!=, <, <=, > and >=. Repeatable.",
        ),
    ] = None,
    study: Annotated[Optional[str], typer.Option(metavar="NAME", help="Only runs of this study.")] = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="KEY", help="age, dev, test, or an option or column. Newest or largest first; -KEY reverses it."
        ),
    ] = "age",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="List the first N.")] = 30,
    everything: Annotated[bool, typer.Option("--all", help="List all of them.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print every column as CSV. As in --json, accuracies are fractions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List runs, newest first.

    A line shows the state, what was run, the settings in which it differs from the others listed, the greedy accuracy
    of its chosen checkpoint in %, its age, and its path.
    """
    from reft_lab.cli.listing import list_runs
    from reft_lab.errors import BadInput

    if as_csv and as_json:
        raise BadInput("--csv and --json exclude each other; take one of them.")
    most = None if everything else limit
    answer(
        lambda: list_runs(folders or [], state or [], where or [], study, sort, most, as_csv=as_csv), as_json=as_json
    )


@app.command("watch")
def watch_run(
    name: Annotated[
        Optional[str],
        typer.Argument(
            metavar="RUN_OR_STUDY",
            help="A run directory, or the beginning of its name; or a study, or any folder of runs. "
            "[default: what began last of what is running in outputs or multirun]",
            show_default=False,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print it as it is now; also what a pipe gets.")] = False,
    as_json: Json = False,
) -> None:
    """Watch a run or a study while it goes.

    Of a run: stage and step, how much is done and how long the rest takes at this pace, curves, outcomes, alarms and
    the last samples. Of a study: its runs, those under way first, with the value so far. It reads what is in the
    folder and disturbs nothing. It ends with the run, or with q; --json prints the state and ends.
    """
    from reft_lab.cli.watch.watching import state, watch

    if as_json:
        answer(lambda: state(name), as_json=True)
    else:
        watch(name, once=once)


@app.command("compare")
def compare_runs(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A run directory, or the beginning of its name; or a folder of runs that differ in the seed alone.",
        ),
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="What to compare it with.")],
    as_json: Json = False,
) -> None:
    """Show what differs between two runs or groups of seeds.

    That is their settings, their results, and their answers to the test problems one by one, with the difference, its
    interval, its p-value, and how many seeds and questions such a difference needs.
    """
    from reft_lab.cli.comparing import compare

    answer(lambda: compare(first, second), as_json=as_json)


@app.command("table")
def print_paper_tables(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study in multirun/, or any folder of runs.", show_default=False)
    ],
    table: Annotated[
        Optional[str],
        typer.Option(
            metavar="NAME",
            help="main, mathqa_numeric, decoding, small_models, ablation or warmup, beside the paper; or settings: "
            "what the study itself varied; or samples: decodings by k. [default: the paper's that the runs are about]",
            show_default=False,
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print it as Markdown.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print it as LaTeX, for the package booktabs.")] = False,
    as_json: Json = False,
) -> None:
    """Set a study beside the paper, or its settings side by side.

    Each row of the paper's tables has the paper's accuracy, ours as a mean over seeds with its 95 % interval, and what
    each gains over the base of its table: SFT, greedy decoding, ReFT as it is, or its warm-up. What is not as in the
    paper stands below. A row of --table settings has the setting's accuracy, its change against the base of the study,
    and what its training took.
    """
    from reft_lab.cli.tables import print_tables

    answer(lambda: print_tables(study, table, markdown=markdown, latex=latex), as_json=as_json)


@app.command("verify")
def verify_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run directory, or the beginning of its name.")],
    to: Annotated[
        Optional[Path],
        typer.Option(
            metavar="FOLDER",
            help="Where the new run goes. [default: a temporary folder, which is kept where something differs]",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a finished run again, and compare the two.

    It takes as long as the run did, without its baseline. First it says which commit, versions and hardware are not
    those of its passport. Then it trains with the run's own config, and holds metrics (times apart), predictions and
    weights against those of the run: equal, or the first step and metric at which they part. The exit code is 0 where
    all is equal, else 1.
    """
    from reft_lab.cli.verifying import verify

    found = answer(lambda: verify(run, to), as_json=as_json, takes_long=True)
    if not found["equal"]:
        raise typer.Exit(1)


@app.command("best")
def best_run(
    name: Annotated[str, typer.Argument(metavar="FOLDER", help="A study in multirun/, any folder of runs, or a run.")],
    by: Annotated[
        Optional[str],
        typer.Option(
            metavar="KEY",
            help="What decides: an option or column, largest first; -KEY smallest first. [default: accuracy on the "
            "split that picked the checkpoints]",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Optional[Path], typer.Option(metavar="FOLDER", help="Copy its checkpoint there, with a card.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the best run of a study, and copy its policy.

    The copy is a model like any other (transformers, or peft where it is an adapter), with README.md beside it: data,
    method, settings, accuracies with n and interval, the licence of the base where it is known, and how to load it.
    """
    from reft_lab.cli.best import best

    answer(lambda: best(name, by, to), as_json=as_json)


@app.command("audit-critic")
def audit_critic(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or the beginning of its name.")],
    checkpoint: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="NAME",
            help="Only the critic of this state: last, best or step-NUMBER in its checkpoints. Repeatable.",
        ),
    ] = None,
    problems: Annotated[Optional[int], typer.Option(metavar="N", min=1, help="Problems, one response each.")] = None,
    states: Annotated[Optional[int], typer.Option(metavar="N", min=1, help="States along each response.")] = None,
    continuations: Annotated[
        Optional[int], typer.Option(metavar="K", min=2, help="Responses sampled from each state.")
    ] = None,
    split: Annotated[Optional[Split], typer.Option(help="The split of the problems.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether the critic of a run is any good.

    The policy goes on from states along its responses many times; the mean return is held against what the critic
    expects there. Audited are all states that the run kept (checkpoint.keep=N keeps more), or those named. Numbers that
    are not given are those of the run's config (audit.critic_problems and so on). A table is printed, and
    critic_audit.json and the report in the run directory are written anew.
    """
    from reft_lab.cli.auditing import audit_critic

    given = {
        "critic_problems": problems,
        "critic_states": states,
        "critic_continuations": continuations,
        "critic_split": split and split.value,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    answer(lambda: audit_critic(run, checkpoint or [], changes), as_json=as_json, takes_long=True)


@app.command("audit")
def audit_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or the beginning of its name.")],
    shuffle: Annotated[
        bool,
        typer.Option("--shuffle", help="Multiple choice: ask the policy again, with the options in another order."),
    ] = False,
    problems: Annotated[int, typer.Option(metavar="N", min=1, help="With --shuffle: the first N test problems.")] = 200,
    examples: Annotated[int, typer.Option(metavar="N", min=0, help="Responses to read of each finding.")] = 2,
    as_json: Json = False,
) -> None:
    """Say what the reward of a run paid for.

    That is how outcomes moved, what responses without the right answer earned, right answers that were not worked out,
    letters without reasoning, what a second reader of answers makes of the responses, and what the tolerance lets
    through, each in one sentence, with responses to read. It works on a run in any state. audit.json in the run
    directory has all of it; it and the report are written anew.
    """
    from reft_lab.cli.run_auditing import audit_run

    answer(
        lambda: audit_run(run, shuffle=shuffle, problems=problems, examples=examples),
        as_json=as_json,
        takes_long=shuffle,
    )


@app.command("data", context_settings={"ignore_unknown_options": True})
def audit_data(
    words: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="WORDS", help="The words of the experiment, as for run.py: data=gsm8k data.path=FOLDER."
        ),
    ] = None,
    page: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Also write it as a page, with charts, to FILE.")
    ] = None,
    examples: Annotated[int, typer.Option(metavar="N", min=0, help="Pairs of near-duplicates to print.")] = 3,
    as_json: Json = False,
) -> None:
    """Say what the data of an experiment looks like.

    That is how many problems each split has, how long they are under the model's tokenizer and how many are too long,
    how answers are spread, whether gold reasoning reads back, and which questions are nearly the same, within and
    across the splits.
    """
    from reft_lab.cli.data_auditing import audit_data

    answer(lambda: audit_data(words or [], page, examples), as_json=as_json)


@app.command("report")
def write_report(
    directory: Annotated[
        str,
        typer.Argument(metavar="DIR", help="A run directory, or the beginning of its name; or a study."),
    ],
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Write report.html of a run or study.

    It is a single page that works without a network. The path is printed.
    """
    from reft_lab.cli.pages import report

    answer(lambda: report(directory, show=show), as_json=as_json)


@app.command("serve")
def serve_pages(
    folders: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="FOLDER",
            help="Run directories or folders of runs. [default: outputs multirun]",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The port; 0 takes any free one.")
    ] = 7338,  # REFT on the keys of a telephone
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Show runs in the browser, as they are now.

    It begins with a table of all runs; behind each is its report, made anew when its files have changed, and so are the
    pages of studies. Only this machine can reach it, nothing can be changed by it, and nothing is written. Ctrl-C ends
    it.
    """
    from reft_lab.cli.serve import serve

    serve(folders or [], port, show=show)


@app.command("dashboard")
def make_dashboard(
    project: Annotated[str, typer.Argument(metavar="ENTITY/PROJECT", help="A project of W&B.")],
    study: Annotated[
        Optional[str], typer.Option(metavar="NAME", help="Also make the report of this study (W&B group).")
    ] = None,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview",
            help="Print an outline of what would be sent, or all of it with --json, without login or network.",
        ),
    ] = False,
    output: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="With --preview: write all of it, as JSON, to FILE.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make or update the dashboard in W&B.

    That is the workspace of a project and, with --study, the report of a study. A second call updates them. The
    addresses are printed.
    """
    from reft_lab.cli.pages import dashboard

    answer(lambda: dashboard(project, study, preview=preview, output=output), as_json=as_json)
