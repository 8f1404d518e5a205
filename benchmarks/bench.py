"""How fast reft_lab is, next to its peers: one table.

    python benchmarks/bench.py                        # everything, about 45 minutes on 2 quiet cores
    python benchmarks/bench.py rollouts iterations    # some of it
    python benchmarks/bench.py --quick                # fewer turns: a few minutes, wider spread
    python benchmarks/bench.py --shape smollm2_135m --precision bf16    # of another model
    python benchmarks/bench.py --shape small --quick  # the same in two minutes, to see that it runs
    python benchmarks/bench.py --check                # exit 1 where a ratio fell below the baseline's, twice
    python benchmarks/bench.py --update-baseline      # what is measured becomes the baseline, and the table in docs

Results go to benchmarks/results.json; a benchmark that is run alone replaces its own figures there.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # as the runner does

from figures import Figure, Results, drops, markdown, put
from machine import describe
from rich.console import Console

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
BASELINE = HERE / "baseline.json"
PAGE = HERE.parent / "docs" / "performance.md"
BENCHMARKS = {
    "rollouts": "tokens/s of the sampler, next to generate",
    "iterations": "samples/s of whole iterations, next to the paper's loop and TRL",
    "memory": "peak memory of an iteration at a 32k vocabulary, next to the paper's loop",
    "programs": "programs/s in the sandbox, next to a fresh pool with plain exec",
    "checkpoints": "what it costs a default run that it can be resumed",
    "frame": "how fast 1,000 run directories become one data frame, next to OmegaConf and pandas",
    "startup": "seconds until run.py answers, and until it trains",
    "peak": "share of the machine's matmul peak in the update",
}
SHAPED = ("rollouts", "iterations", "memory")
SHAPES = ("smollm2_135m", "small")  # of workloads.WORKLOADS, which this does not import, for it takes a while
NO_OTHER: Mapping[str, str] = {}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="\n".join(f"{name:12}{words}" for name, words in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help="which ones; all if none is named")
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    parser.add_argument("--shape", choices=SHAPES, help=f"measure {', '.join(SHAPED)} on this model instead")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="in which, with --shape")
    parser.add_argument("--check", action="store_true", help="compare with the baseline")
    parser.add_argument(
        "--update-baseline",
        action="store_true",
        help="store what is measured as the baseline, and in docs/performance.md",
    )
    options = parser.parse_args()
    unknown = [name for name in options.benchmarks if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; choose from {', '.join(BENCHMARKS)}")
    if options.shape is None and options.precision != "fp32":
        parser.error("--precision goes with --shape")
    names = options.benchmarks or list(BENCHMARKS if options.shape is None else SHAPED)
    if options.shape is not None and (others := [name for name in names if name not in SHAPED]):
        parser.error(f"--shape is for {', '.join(SHAPED)}, not for {others[0]}")
    if options.check and not BASELINE.exists():
        parser.error("there is no baseline yet; make one with --update-baseline")

    baseline = Results.read(BASELINE)
    model = {} if options.shape is None else {"shape": options.shape, "precision": options.precision}
    measured = run(names, options.quick, model)
    sentences: list[str] = []
    if options.check:
        sentences = fallen(measured, baseline.figures, options.quick, model)
    figures = [figure for each in measured.values() for figure in each]
    print(markdown(figures))
    results = Results(describe(), options.quick, figures)
    Results.read(RESULTS).renewed(results).write(RESULTS)
    if options.update_baseline:
        baseline.renewed(results).write(BASELINE)
        put(PAGE, baseline.renewed(results).figures)
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return 1 if sentences else 0


def fallen(
    measured: dict[str, list[Figure]], baseline: list[Figure], quick: bool, model: Mapping[str, str] = NO_OTHER
) -> list[str]:
    """A sentence for each figure that fell below the baseline's twice.

    Args:
        measured: figures by benchmark. A benchmark with one that fell is run once more, as machines have bad minutes,
            and its new figures take the place of the old ones.
        baseline: the stored figures.
        quick: fewer turns.
        model: shape and precision of another model than a benchmark's own; empty: none.
    """
    first = {name: drops(figures, baseline) for name, figures in measured.items()}
    again = [name for name, sentences in first.items() if sentences]
    if again:
        print(f"below the baseline, and measured again: {', '.join(again)}", file=sys.stderr)
        measured |= run(again, quick, model)
    return [
        sentence
        for name in again
        for figure, sentence in drops(measured[name], baseline).items()
        if figure in first[name]
    ]


def run(names: list[str], quick: bool, model: Mapping[str, str] = NO_OTHER) -> dict[str, list[Figure]]:
    """Run benchmarks, and show what they are doing; the figures of each, by its name."""
    console = Console(stderr=True)
    measured: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory(prefix="reft-bench-") as folder, console.status("starting") as status:

        def say(what: str) -> None:
            status.update(what)
            if not console.is_terminal:
                console.print(what, highlight=False)

        for number, name in enumerate(names, 1):

            def say_of(what: str, number: int = number, name: str = name) -> None:
                say(f"[{number}/{len(names)}] {name}: {what}")

            say_of("starting")
            found = importlib.import_module(name).measure(Path(folder), quick, say_of, **model)
            for figure in found:
                console.print(f"{figure.name}: {figure.ratio}", highlight=False)
            measured[name] = found
    return measured


if __name__ == "__main__":
    sys.exit(main())
