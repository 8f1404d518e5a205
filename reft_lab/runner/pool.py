"""Pools: sampled responses that are kept on disk, made once, reused by every run of the same policy, and extended.

A pool is a folder, named for everything that decides what its samples are: the weights, the tokenizer, how prompts are
written and answers read, length caps, what is drawn from, the seed and the precision. `facts.json` says which these
are; `samples.jsonl` has lines with samples of one problem each. Lines are only ever added, so a run that was killed
goes on with what is missing, and several processes may add to a pool at once. A line that is damaged is passed over:
its samples are drawn again.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from reft_lab import __version__
from reft_lab.answers.outcome import Outcome
from reft_lab.cot import Prompts
from reft_lab.data import Problem
from reft_lab.errors import phase
from reft_lab.evaluation.answering import Distribution
from reft_lab.evaluation.asking import Asked, ask
from reft_lab.evaluation.samples import NO_SAMPLE, Sample, draw
from reft_lab.policy.model import Policy
from reft_lab.run_dir import disk
from reft_lab.run_dir.json_lines import line
from reft_lab.run_dir.passport import hash_text
from reft_lab.run_dir.reading import whole_line
from reft_lab.runner.interruption import Interruption
from reft_lab.runner.progress import Progress
from reft_lab.runner.setup import Setup
from reft_lab.tracking.display import Display

FACTS, SAMPLES = "facts.json", "samples.jsonl"
PROBLEM = re.compile(rb'\{"problem": "([0-9a-f]{16})"')
# Batches that are drawn between two writes: fewer would leave the device idle while the last rows of each finish.
BATCHES = 4
# Settings that change how programs are run, and not what comes of them.
OF_SPEED = ("workers", "batch", "cache")
OF_AN_OUTCOME = tuple(field.name for field in fields(Outcome))


class Pools:
    """The pools of the folder `pool.folder`, with the settings of a run."""

    def __init__(self, setup: Setup, progress: Progress, display: Display, interruption: Interruption, directory: Path):
        """`directory` is that of the run."""
        self._setup = setup
        self._progress = progress
        self._display = display
        self._interruption = interruption
        self._directory = directory
        pool = setup.config.pool
        self.distribution = Distribution(pool.temperature, pool.top_k, pool.top_p)

    def samples(
        self, policy: Policy, problems: Sequence[Problem], samples: int, *, prompts: Prompts, title: str
    ) -> list[list[Sample]]:
        """`samples` responses to each problem, in the order of the problems; those not in the pool yet are drawn.

        The first 32 of 128 are the 32.

        Args:
            policy: what is sampled; left in evaluation mode.
            problems: what is asked.
            samples: how many responses to each.
            prompts: the kind of prompts that the policy knows.
            title: what the bar is called.

        Raises:
            Interrupted: a signal came; what was drawn before is in the pool.
            RunFailed: the pool cannot be written.
            OutOfMemory: while sampling.
        """
        started = time.monotonic()
        asked = self.ask(policy, problems, prompts)
        names = [_name(problem, ids) for problem, ids in zip(problems, asked.prompts, strict=True)]
        places = {names[place]: place for place in asked.fits}
        ranks = self._setup.ranks
        # The rank that leads has the pool, and says what is drawn.
        with policy.collected() as written:
            pool = None if written is None else self._open(written, prompts, places)
        try:
            self._fill(pool, policy, asked, places, samples, title)
        finally:
            self._progress.add_seconds("sampling", time.monotonic() - started)
        found = ranks.agreed(lambda: {} if pool is None else pool.found)
        return [
            [found[name][number] for number in range(samples)] if name in places else [NO_SAMPLE] * samples
            for name in names
        ]

    def _open(self, policy: Policy, prompts: Prompts, names: Iterable[str]) -> Pool:
        home = Path(self._setup.config.pool.folder).expanduser()
        return Pool(home, self.facts(policy, prompts), names, self._directory)

    def ask(self, policy: Policy, problems: Sequence[Problem], prompts: Prompts) -> Asked:
        """The problems as `policy` is asked them."""
        setup = self._setup
        return ask(policy, problems, setup.form, setup.codec, prompts, setup.lengths(prompts))

    def facts(self, policy: Policy, prompts: Prompts) -> dict[str, Any]:
        """Everything that decides what the samples of `policy` are, but for the problems and their prompts, as JSON."""
        setup, config = self._setup, self._setup.config
        tokenizer = setup.codec.tokenizer
        programs = {name: value for name, value in asdict(config.programs).items() if name not in OF_SPEED}
        return {
            "policy": weights_hash(policy),
            "tokenizer": hash_text(str(sorted(tokenizer.get_vocab().items()))),
            "eos": setup.codec.eos_id if len(setup.codec.end_ids) == 1 else list(setup.codec.end_ids),
            "cot": asdict(config.cot),
            "answers": asdict(config.answers),
            "programs": programs if config.cot.name == "program" else None,
            "lengths": asdict(setup.lengths(prompts)),
            "distribution": asdict(self.distribution),
            "seed": config.seed,
            "precision": policy.precision,
            "reft_lab": __version__,
        }

    def _fill(
        self, pool: Pool | None, policy: Policy, asked: Asked, places: Mapping[str, int], samples: int, title: str
    ) -> None:
        """Draw what the pool lacks of `samples` responses to the problems in it, whose places in `asked` are given.

        A rank that does not lead has no pool, and draws its share of what the one that does says.
        """
        setup, ranks = self._setup, self._setup.ranks

        def missing_of(names: Iterable[str]) -> int:
            return 0 if pool is None else sum(len(pool.missing(name, samples)) for name in names)

        total = samples * len(places)
        missing = ranks.agreed(lambda: missing_of(places))
        if not missing:
            return
        batch_size = setup.config.trainer.decode_batch
        # Prompts of like lengths side by side waste the least. Another process at the same pool begins elsewhere.
        order = sorted(places, key=lambda name: (len(asked.prompts[places[name]]), name))
        start = secrets.randbelow(len(order))
        waiting = deque([*order[start:], *order[:start]])
        with self._display.stage(title, total, "samples", done=total - missing) as bar, phase("sampling"):
            most = BATCHES * batch_size * ranks.size
            while chunk := ranks.agreed(lambda: [] if pool is None else self._next(pool, waiting, samples, most)):
                before = total - len(chunk) - missing_of(waiting)
                drawn = draw(
                    policy,
                    asked,
                    [(places[name], number) for name, number in chunk],
                    setup.form,
                    setup.codec,
                    seed=setup.config.seed,
                    distribution=self.distribution,
                    batch_size=batch_size,
                    on_progress=lambda now, before=before: bar.update(before + now),  # type: ignore[misc]
                )
                if pool is not None:
                    with self._interruption.unbroken():
                        pool.add(chunk, drawn)

    def _next(self, pool: Pool, waiting: deque[str], samples: int, most: int) -> list[tuple[str, int]]:
        """About `most` samples that are to be drawn next, each by its problem and number, of the problems that are
        `waiting`; none where others have drawn the rest."""
        chunk: list[tuple[str, int]] = []
        while waiting and not chunk:
            self._interruption.check()
            pool.read()  # what others have added
            while waiting and len(chunk) < most:
                name = waiting.popleft()
                chunk += [(name, number) for number in pool.missing(name, samples)]
        return chunk


class Pool:
    """One pool, and what was read of it.

    Where the disk refuses, methods raise RunFailed with one sentence.

    Attributes:
        folder: where it is.
        found: the samples by the names of their problems, and then by their numbers.
    """

    def __init__(self, home: Path, facts: Mapping[str, Any], names: Iterable[str], run: Path):
        """Open the pool with these `facts` in the folder `home`, or begin it.

        Args:
            home: the folder of all pools.
            facts: what decides what its samples are.
            names: the problems whose samples are wanted, and read.
            run: the directory of the run, for advice.
        """
        self.folder = home / hash_text(json.dumps(facts, sort_keys=True))
        self.found: dict[str, dict[int, Sample]] = {name: {} for name in names}
        self._run = run
        self._read = 0  # bytes
        with disk.explained(self.folder, run):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / FACTS).exists():
                disk.replace(self.folder / FACTS, json.dumps(facts, indent=2) + "\n")
        self.read()

    def missing(self, name: str, samples: int) -> list[int]:
        """The numbers below `samples` that a problem has no sample of yet."""
        return [number for number in range(samples) if number not in self.found[name]]

    def read(self) -> None:
        """Take in what was added since the last time."""
        path = self.folder / SAMPLES
        with disk.explained(path, self._run):
            if not path.exists():
                return
            with path.open("rb") as file:
                file.seek(self._read)
                for text in file:
                    if not text.endswith(b"\n"):  # about to be written, or torn: the next to add ends it
                        break
                    self._read += len(text)
                    self._take(text)

    def add(self, numbers: Sequence[tuple[str, int]], drawn: Sequence[Sample]) -> None:
        """Add samples: for each the name of its problem and its number."""
        grouped: dict[str, list[dict[str, Any]]] = {}
        for (name, number), sample in zip(numbers, drawn, strict=True):
            grouped.setdefault(name, []).append(_as_json(number, sample))
        lines = "".join(line({"problem": name, "samples": records}) for name, records in grouped.items()).encode()
        path = self.folder / SAMPLES
        with disk.explained(path, self._run), path.open("ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                lines = (b"" if file.read(1) == b"\n" else b"\n") + lines  # after a line that was torn by a kill
            disk.write_whole(file, lines)
            os.fsync(file.fileno())
        self.read()

    def _take(self, text: bytes) -> None:
        """The samples of one line; those that are there already stay, and so do their order and number."""
        named = PROBLEM.match(text)  # most lines may be of other problems, and parsing is what takes the time
        found = self.found.get(named[1].decode()) if named else None
        record = whole_line(text) if found is not None else None
        if found is None or record is None:
            return
        with suppress(KeyError, TypeError, AttributeError):  # damaged, and drawn again
            for number, sample in [_from_json(stored) for stored in record["samples"]]:
                found.setdefault(number, sample)


def weights_hash(policy: Policy) -> str:
    """A hash of the language model's weights, without those of a value model; an adapter counts as merged."""
    import torch
    from xxhash import xxh3_128

    digest, seen = xxh3_128(), set()
    for name, tensor in policy.merged(torch.float32).lm.state_dict().items():
        if tensor.data_ptr() in seen:  # tied
            continue
        seen.add(tensor.data_ptr())
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _name(problem: Problem, prompt: Sequence[int]) -> str:
    """What a problem is called in a pool: a hash of all that its samples and their outcomes depend on."""
    return hash_text(json.dumps([problem.id, list(prompt), problem.question, problem.answer, problem.options]))


def _as_json(number: int, sample: Sample) -> dict[str, Any]:
    """A sample as its line has it; what an outcome leaves open is left out."""
    judged = {name: value for name, value in asdict(sample.outcome).items() if value not in (None, "")}
    return {"number": number, "text": sample.text, "tokens": sample.tokens, "finished": sample.finished, **judged}


def _from_json(stored: Mapping[str, Any]) -> tuple[int, Sample]:
    judged = {name: stored[name] for name in OF_AN_OUTCOME if name in stored}
    return stored["number"], Sample(stored["text"], stored["tokens"], Outcome(**judged), stored["finished"])
