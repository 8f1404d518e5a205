"""How fast many run directories become a table, next to the few lines one would write: OmegaConf, json, pandas."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from clock import timed
from figures import Figure, rates
from turns import alternate

REPO = Path(__file__).resolve().parent.parent
RUN = [sys.executable, str(REPO / "run.py"), "debug=quick", "baseline=null", "tracker=none"]
ONE_FILE = ("config.yaml", "passport.json", "result.json", "metrics.jsonl")
PEER = "OmegaConf.load, json.load, pandas"


def measure(folder: Path, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Two figures: the table of many runs, and their whole history in long form."""
    import pandas  # noqa: F401 - neither side pays for it

    count, rounds = (100, 3) if quick else (1000, 3)
    say("making a run")
    runs = copies(folder, count)
    tables = alternate(
        {"table": partial(timed, partial(_table, runs)), "peer": partial(timed, partial(_plain, runs))}, rounds, say
    )
    history = {
        "history": partial(timed, partial(_history, runs)),
        "peer": partial(timed, partial(_plain_history, runs)),
    }
    lines = alternate(history, rounds, say)
    return [
        rates(f"frame: table of {count:,} runs", "runs", tables["table"], PEER, tables["peer"]),
        rates(f"frame: history of {count:,} runs", "runs", lines["history"], "pandas.read_json, melt", lines["peer"]),
    ]


def copies(folder: Path, count: int) -> Path:
    """A folder of `count` run directories: one real run of debug size, with a seed and a KL coefficient for each."""
    first = folder / "first"
    subprocess.run([*RUN, f"hydra.run.dir={first}"], stdout=subprocess.DEVNULL, cwd=folder, check=True)
    content = {name: (first / name).read_text(encoding="utf-8") for name in ONE_FILE}
    for number in range(count):
        run = folder / "runs" / f"{number}"
        run.mkdir(parents=True)
        own = content["config.yaml"].replace("seed: 0", f"seed: {number}", 1)
        changed = {"config.yaml": own.replace("kl_coef: 0.01", f"kl_coef: {0.001 * (number % 7)}")}
        for name, text in (content | changed).items():
            (run / name).write_text(text, encoding="utf-8")
    return folder / "runs"


def _table(folder: Path) -> float:
    from reft_lab.analysis import load
    from reft_lab.run_dir import reading

    reading._flat.cache_clear()  # each turn is as the first one
    return float(len(load(folder).table))


def _history(folder: Path) -> float:
    from reft_lab.analysis import load

    runs = load(folder)
    assert len(runs.history())
    return float(len(runs))


def _plain(folder: Path) -> float:
    import pandas
    from omegaconf import OmegaConf

    rows = []
    for run in sorted(folder.iterdir()):
        config = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
        result, passport = (json.loads((run / f"{name}.json").read_text()) for name in ("result", "passport"))
        rows.append({"config": config, "result": result, "started": passport["started"]})
    return float(len(pandas.json_normalize(rows)))


def _plain_history(folder: Path) -> float:
    import pandas

    frames = []
    for run in sorted(folder.iterdir()):
        lines = pandas.read_json(run / "metrics.jsonl", lines=True)
        frames.append(lines.melt(id_vars="step", var_name="metric").dropna().assign(run=run.name))
    pandas.concat(frames, ignore_index=True)
    return float(len(frames))


if __name__ == "__main__":
    import tempfile

    from figures import markdown

    with tempfile.TemporaryDirectory(prefix="reft-bench-") as scratch:
        print(markdown(measure(Path(scratch), "--quick" in sys.argv, partial(print, file=sys.stderr))))
