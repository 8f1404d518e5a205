"""Runs that no machine of this size could do, refused before anything is trained or written.

Only what is beyond doubt: the estimate with responses as long as gold ones, against all the memory that there is, and
that twice over. Whether a run fits as things stand is what preflight=true says.
"""

from __future__ import annotations

from dataclasses import dataclass

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput
from reft_lab.memory.advice import changes
from reft_lab.memory.phases import largest
from reft_lab.memory.process import Room, sharers, whole
from reft_lab.memory.work import Work
from reft_lab.methods import METHODS
from reft_lab.numbers import duration, memory
from reft_lab.runner.estimates import Expected

TIMES = 2  # what is estimated may be that much more than there is
# Bytes of a response that was sampled to be learned from, at least: tensors of ids, log-probabilities, values, rewards
# and their like, and lists; of one that is drawn once and kept: a list of ids.
BY_TOKEN = {True: 40, False: 8}
EACH = 200
FAST = 100_000  # tokens a second that no device samples here
LONG = 3600.0  # seconds


@dataclass(frozen=True)
class Sampled:
    """Responses that are in RAM at once.

    Attributes:
        option: what decides how many: `ppo.rollouts=128`.
        key: the option alone.
        count: how many.
        tokens: of all, if they are as long as gold ones.
        size: bytes of all, at least.
        takes_turns: whether each step samples so many.
    """

    option: str
    key: str
    count: int
    tokens: float
    size: float
    takes_turns: bool


def check_fits(found: Expected, config: Config, device: str, tests: int) -> list[str]:
    """Refuse a run that is beyond this machine's memory.

    Args:
        found: what the run takes of the device's memory.
        config: the experiment.
        device: cpu, cuda or mps.
        tests: test problems, of which `decode` draws samples.

    Returns:
        A sentence where the run will take very long.

    Raises:
        BadInput: with the option to change.
    """
    devices = config.trainer.devices
    ram = whole("cpu").shared(sharers("cpu", devices))  # each process knows all responses
    samples = sampled(found.works, config, tests)
    for each in samples:
        if each.size > TIMES * ram.size:
            most = int(each.count * ram.size / each.size)
            raise BadInput(
                f"{each.option} is more than this machine can hold: {_described(each)} take {memory(each.size)} of "
                f"RAM, of which {ram.where} has {memory(ram.size)}{_time(each)}; lower {each.key}, to much less than "
                f"{most:,}."
            )
    _check_device(found, ram if device == "cpu" else whole(device))
    longest = max((each for each in samples if each.takes_turns), key=lambda each: each.tokens, default=None)
    if longest is not None and longest.tokens > LONG * FAST:
        return [f"{longest.option}: {_described(longest)} will take long{_time(longest)}."]
    return []


def _check_device(found: Expected, there: Room) -> None:
    """Raises BadInput where a phase is beyond the memory of the device."""
    needs = largest(found.likely)
    if needs.size <= TIMES * there.size:
        return
    proposed = changes(found.setting, found.works, there.size)
    is_enough = bool(proposed) and proposed[-1].size <= there.size
    words = " ".join(each.words for each in proposed)
    advice = f"with {words} it would fit" if is_enough else "take a smaller model, or a machine with more memory"
    raise BadInput(
        f"this run does not fit: {needs.stage}, {needs.name}, takes about {memory(needs.size)}, and {there.where} has "
        f"{memory(there.size)}; {advice} (preflight=true says more)."
    )


def sampled(works: list[Work], config: Config, tests: int) -> list[Sampled]:
    """The responses that each stage, and the decoding at the end, have in RAM at once."""
    found = []
    for work, kind in zip(works, METHODS[config.method].stages_of(config), strict=True):
        if work.samples:
            key = f"{kind.section}.{'rollouts' if work.takes_turns else 'samples'}"
            value = getattr(getattr(config, kind.section), key.partition(".")[2])
            found.append(_sampled(key, value, work.samples, work, takes_turns=work.takes_turns))
    if config.decode.ways:
        found.append(_sampled("decode.k", config.decode.k, config.decode.k * tests, works[-1], takes_turns=False))
    return found


def _sampled(key: str, value: int, count: int, work: Work, *, takes_turns: bool) -> Sampled:
    tokens = sum(response for _, response in work.lengths) / len(work.lengths)
    size = count * (EACH + BY_TOKEN[takes_turns] * tokens)
    return Sampled(f"{key}={value}", key, count, count * tokens, size, takes_turns)


def _described(each: Sampled) -> str:
    """Its responses in words."""
    where = "the responses of one iteration" if each.takes_turns else f"{each.count:,} responses"
    return f"{where}, {each.tokens:,.0f} tokens if they are as long as gold ones,"


def _time(each: Sampled) -> str:
    seconds = each.tokens / FAST
    return "" if seconds < LONG else f", and {duration(seconds)} even at {FAST:,} tokens a second"
