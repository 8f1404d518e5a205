"""Sides that take turns, and what a turn is measured by."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from clock import Turn, cpu_seconds, memory, timed
from peak import useful_flops
from torch.utils.flop_counter import FlopCounterMode
from turns import Side, alternate

from tests.small_models import make_model

SPIN = "import time\nwhile time.process_time() < 0.3: pass\n"
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def script(folder: Path, text: str) -> str:
    """A side; it finds turns.py where the real ones do."""
    path = folder / "side.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(BENCHMARKS)!r})\n{text}")
    return str(path)


def test_a_side_works_only_when_it_is_asked(tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    text = (
        "from turns import serve\n"
        "def job():\n"
        f"    with open({str(counted)!r}, 'a') as file: file.write('x')\n"
        "    print('a library talks')\n"
        "    return len(sys.argv[1])\n"
        "serve(job)\n"
    )
    with Side(script(tmp_path, text), "abc") as side:
        assert counted.read_text() == "x"  # warming up
        assert side.turn().work == 3
        assert side.turn().work == 3
        time.sleep(0.1)
        assert counted.read_text() == "xxx"


def test_a_side_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"side.py ended with code 1: .*no such thing"):
        Side(script(tmp_path, "raise ValueError('no such thing')"))


def test_sides_alternate_and_every_other_round_goes_backwards() -> None:
    taken: list[str] = []

    def side(name: str) -> Turn:
        taken.append(name)
        return Turn(len(taken), 1, 1)

    turns = alternate({"a": lambda: side("a"), "b": lambda: side("b")}, 3)
    assert taken == ["a", "b", "b", "a", "a", "b"]
    assert [turn.work for turn in turns["b"]] == [2, 3, 6]


def test_cpu_seconds_count_children_that_run_and_that_ended() -> None:
    before = cpu_seconds()
    subprocess.run([sys.executable, "-c", SPIN], check=True)
    assert cpu_seconds() - before > 0.25
    waiting = SPIN + "print(flush=True)\ninput()"
    before = cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        while_running = cpu_seconds() - before
        child.communicate(b"\n")
    assert while_running > 0.25
    assert cpu_seconds() - before == pytest.approx(while_running, abs=0.15)  # not counted twice


@pytest.mark.skipif(not memory("VmHWM"), reason="the system does not tell")
def test_memory_of_a_turn_is_its_peak_above_what_was_held() -> None:
    def job() -> float:
        torch.ones(100 * 2**18).sum()  # 100 MiB
        return 1

    kept = torch.ones(50 * 2**18)
    assert 95 < timed(job).extra < 120
    assert len(kept)
    assert timed(lambda: 1.0).extra < 20


@pytest.mark.skipif(not memory("VmHWM"), reason="the system does not tell")
def test_memory_that_was_freed_and_kept_is_not_taken_for_held() -> None:
    def job() -> float:
        rows = [torch.ones(2**12) for _ in range(5_000)]  # 80 MiB in pieces that the C library keeps
        return float(len(rows))

    timed(job)
    assert timed(job, trim=True).extra > 60


def test_useful_operations_are_those_of_a_forward_pass_without_padding() -> None:
    model, length = make_model("llama").float(), 17
    config = model.config
    model.set_attn_implementation("eager")  # torch does not count the operations of a fused kernel on the CPU
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.arange(length)[None])
    attention = 4 * config.hidden_size * config.num_hidden_layers
    causal = counter.get_total_flops() - attention * length**2 + attention * length * (length + 1) / 2
    # One prompt token: every position predicts a response token, in every layer.
    assert useful_flops(config, [[1]], [[1] * length]) == pytest.approx(3 * causal)
    # A prompt is worth less than a response: no head, and little of the last layer.
    assert useful_flops(config, [[1] * 9], [[1] * 9]) < useful_flops(config, [[1]], [[1] * length])
