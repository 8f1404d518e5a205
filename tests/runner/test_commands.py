"""Commands as a user types them, in processes of their own: real data, other checkpoints, Ctrl-C."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runner.processes import Run
from tests.runner.written_programs import programs, write
from tests.small_models import make_model, make_tokenizer
from tests.vocabularies import LLAMA, llama_folder


def command(repo: Path, cwd: Path, *overrides: str) -> list[str]:
    return [sys.executable, str(repo / "run.py"), f"hydra.run.dir={cwd / 'run'}", *overrides]


def run_py(repo: Path, cwd: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(repo, cwd, *overrides), cwd=cwd, capture_output=True, text=True, timeout=300)


def to_its_end(repo: Path, cwd: Path, *overrides: str) -> tuple[dict, str]:
    """result.json of a quick run alone, and what it printed; a fork of what is imported already starts sooner."""
    run = Run(repo, cwd, "debug=quick", "tracker=none", "baseline=null", *overrides)
    printed = run.finish().output
    return run.result, printed


@pytest.mark.parametrize(
    ("data", "more"),
    [
        ("svamp", ("cot=program",)),
        ("svamp", ("cot=natural",)),
        ("gsm8k", ("cot=program",)),
        ("mathqa", ("cot=natural", "reward=exact")),
    ],
    ids=lambda x: x if isinstance(x, str) else "-".join(x),
)
def test_tiny_on_real_data(repo, shared_data, tmp_path, data, more):
    result, printed = to_its_end(repo, tmp_path, f"data={data}", f"data.path={shared_data / data}", *more)
    assert result["data"]["counts"] == {"train": 64, "dev": 32, "test": 32}
    assert "Traceback" not in printed
    assert "run directory:" in printed


def make_llama_32k(folder: Path, texts: list[str]) -> Path:
    """A small Llama whose embedding and tokenizer are 32,000 wide, with unusual ids for pad, bos and eos."""
    tokenizer = make_tokenizer(texts, 1000, [*(f"<extra_{i}>" for i in range(7)), "<end>"], eos_token="<end>")
    tokenizer.add_tokens([f"<word_{i}>" for i in range(32_000 - len(tokenizer))])
    make_model("llama", 32_000).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", [LLAMA[0], pytest.param(LLAMA[1], marks=pytest.mark.long)])
def test_codellama_with_llama_2_s_vocabulary_learns_by_heart(repo, shared_data, tmp_path, name):
    folder = llama_folder(shared_data / "tokenizers" / "llama2" / "tokenizer.model", name, "model", tmp_path / "model")
    make_model("llama", 32_000).save_pretrained(folder)  # no rows for the signs that CodeLLaMA's class adds
    train = write(tmp_path / "train.jsonl", programs())
    dev = write(
        tmp_path / "dev.jsonl", [replace(p, question=p.question.replace("buys", "finds")) for p in programs()[:4]]
    )
    options = [f"model.path={folder}", "data=svamp", f"data.train={train}", f"data.test={train}", f"data.dev={dev}"]
    options += [
        "model=codellama",
        "method=sft",
        "sft.epochs=60",
        "sft.batch_size=4",
        "sft.lr=1e-2",
        "sft.eval_every=60",
    ]
    result, printed = to_its_end(repo, tmp_path, *options, "eval.max_new_tokens=120")
    assert result["data"]["counts"]["train"] == 24
    assert result["final"]["test"]["accuracy"] >= 0.8, printed


def make_opt(folder: Path, texts: list[str]) -> Path:
    """A small OPT whose tokenizer has neither pad nor eos set; its vocabulary holds them, but not at 1 and 2."""
    tokenizer = make_tokenizer(texts, 600, [*(f"<extra_{i}>" for i in range(9)), "</s>", "<pad>"])
    make_model("opt", len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_codellama_config_on_a_32k_llama(repo, shared_data, tmp_path):
    folder = make_llama_32k(tmp_path / "model", ["def solution():\n    return 5", "How many apples?"])
    svamp = shared_data / "svamp"
    to_its_end(repo, tmp_path, "model=codellama", f"model.path={folder}", "data=svamp", f"data.path={svamp}")
    stored = json.loads((tmp_path / "run/checkpoints/best/config.json").read_text())
    assert stored["eos_token_id"] == stored["pad_token_id"] == 7  # CodeLLaMA has no pad token: any masked token serves


def test_galactica_config_on_an_opt_without_special_tokens(repo, shared_data, tmp_path):
    folder = make_opt(tmp_path / "model", ["def solution():\n    return 5", "How many apples?"])
    gsm8k = shared_data / "gsm8k"
    to_its_end(repo, tmp_path, "model=galactica", f"model.path={folder}", "data=gsm8k", f"data.path={gsm8k}")
    stored = json.loads((tmp_path / "run/checkpoints/best/config.json").read_text())
    assert (stored["eos_token_id"], stored["pad_token_id"]) == (9, 10)


def test_a_model_that_cannot_be_had_is_one_sentence_in_seconds(repo, shared_data, tmp_path):
    started = time.monotonic()
    done = run_py(repo, tmp_path, "model=codellama", "model.path=reft-lab/no-such-model", "data=arithmetic")
    assert time.monotonic() - started < 20
    assert done.returncode == 2
    sentence = done.stderr.strip()
    assert "\n" not in sentence
    assert "reft-lab/no-such-model" in sentence
    assert "model.path=" in sentence
    assert tmp_path.is_dir()  # the folder it was started in is the user's, empty or not
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("stage", "epochs"), [("warmup/loss", 1000), ("rollout/reward", 1)])
def test_ctrl_c_leaves_a_result_and_exit_code_130(repo, tmp_path, stage, epochs):
    """A terminal's Ctrl-C reaches the baseline's process too."""
    small = ("tracker.wandb=offline", "data.train_size=64", "data.dev_size=20", "data.test_size=20")
    run = Run(repo, tmp_path, *small, f"warmup.epochs={epochs}", "ppo.iterations=1000")
    session = run.start()
    session.until(lambda: any(stage in record for record in run.metrics))
    session.press_ctrl_c()
    assert session.wait(60) == 130, session.output
    assert "Traceback" not in session.output
    assert run.result["status"] == "interrupted"
    deadline = time.monotonic() + 10
    while (left := processes_of(session.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left


def processes_of(group: int) -> list[str]:
    """Command lines of the processes in a process group that are still running."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [args for pgid, state, args in rows if pgid == str(group) and not state.startswith("Z")]
