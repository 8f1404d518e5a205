"""The stories that questions are made of: each asks for one computation of one, two or three steps."""

from __future__ import annotations

from dataclasses import dataclass, field

LOWEST, HIGHEST = 3, 30
"""Range of the numbers in a question. They start above 2, so that a literal 2 ("twice") is never one of them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a computation.

    Attributes:
        result: the role that the value plays.
        left, right: a given role, the result of an earlier step, or a whole number written out ("2").
        operator: + - * or / (divisions always come out even).
    """

    result: str
    left: str
    operator: str
    right: str


@dataclass(frozen=True, slots=True)
class Template:
    """A story and the computation that it asks for.

    Attributes:
        name: for people and tests.
        steps: the computation; the result of the last step is the answer.
        sentences: the story, the question last. Roles in braces are the numbers given; the other words in braces are
            filled in by `question`: people {a} {b} {c}, {He} {he} for a, {things}, two kinds of container
            {boxes} {box} and {bags} {bag}, and verbs {gained} {gain} {parted} {part_with}.
        largest: largest value of a given role where HIGHEST is too large.
        larger: pairs of roles whose first must exceed the second, where the steps do not already ask for it.
    """

    name: str
    steps: tuple[Step, ...]
    sentences: tuple[str, ...]
    largest: dict[str, int] = field(default_factory=dict)
    larger: tuple[tuple[str, str], ...] = ()

    @property
    def givens(self) -> list[str]:
        """The roles that a question states, in the order in which the steps first use them."""
        results = {step.result for step in self.steps}
        operands = [operand for step in self.steps for operand in (step.left, step.right)]
        return [o for o in dict.fromkeys(operands) if o not in results and not o.isdecimal()]


def steps(text: str) -> tuple[Step, ...]:
    """Read "sum = first + second; left = sum - gone"."""
    parts = [line.split() for line in text.split(";")]
    return tuple(Step(result, left, operator, right) for result, _, left, operator, right in parts)


ONE_STEP = (
    Template(
        "gain",
        steps("total = start + got"),
        (
            "{a} had {start} {things}.",
            "{He} {gained} {got} more {things}.",
            "How many {things} does {a} have now?",
        ),
    ),
    Template(
        "loss",
        steps("left = start - gone"),
        (
            "{a} had {start} {things}.",
            "{He} {parted} {gone} {things}.",
            "How many {things} does {a} have left?",
        ),
    ),
    Template(
        "gain_change_unknown",
        steps("got = end - start"),
        (
            "{a} had {start} {things}.",
            "{He} {gained} some more {things} and now has {end} {things}.",
            "How many {things} did {a} {gain}?",
        ),
    ),
    Template(
        "loss_change_unknown",
        steps("gone = start - end"),
        (
            "{a} had {start} {things}.",
            "{He} {parted} some {things} and now has {end} {things}.",
            "How many {things} did {a} {part_with}?",
        ),
    ),
    Template(
        "gain_start_unknown",
        steps("start = end - got"),
        (
            "{a} {gained} {got} more {things}.",
            "Now {he} has {end} {things}.",
            "How many {things} did {a} have at first?",
        ),
    ),
    Template(
        "loss_start_unknown",
        steps("start = end + gone"),
        (
            "{a} {parted} {gone} {things}.",
            "Now {he} has {end} {things}.",
            "How many {things} did {a} have at first?",
        ),
    ),
    Template(
        "combine",
        steps("total = first + second"),
        (
            "{a} has {first} {things}.",
            "{b} has {second} {things}.",
            "How many {things} do {a} and {b} have together?",
        ),
    ),
    Template(
        "difference",
        steps("more = first - second"),
        (
            "{a} has {first} {things}.",
            "{b} has {second} {things}.",
            "How many more {things} does {a} have than {b}?",
        ),
    ),
    Template(
        "compare_up",
        steps("other = first + more"),
        (
            "{a} has {first} {things}.",
            "{b} has {more} more {things} than {a}.",
            "How many {things} does {b} have?",
        ),
    ),
    Template(
        "compare_down",
        steps("other = first - more"),
        (
            "{a} has {first} {things}.",
            "{He} has {more} more {things} than {b}.",
            "How many {things} does {b} have?",
        ),
    ),
    Template(
        "groups",
        steps("packed = groups * each"),
        (
            "{a} has {groups} {boxes}.",
            "There are {each} {things} in each {box}.",
            "How many {things} are in the {boxes}?",
        ),
        largest={"groups": 12, "each": 12},
    ),
    Template(
        "share",
        steps("part = whole / groups"),
        (
            "{a} put {whole} {things} into {groups} {boxes}.",
            "Each {box} holds the same number of {things}.",
            "How many {things} are in each {box}?",
        ),
    ),
)


TWO_STEPS = (
    Template(
        "gain_and_loss",
        steps("sum = start + got; left = sum - gone"),
        (
            "{a} had {start} {things}.",
            "{He} {gained} {got} more {things}.",
            "Then {he} {parted} {gone} {things}.",
            "How many {things} does {a} have now?",
        ),
        larger=(("start", "gone"),),
    ),
    Template(
        "two_losses",
        steps("rest = start - gone; left = rest - later"),
        (
            "{a} had {start} {things}.",
            "{He} gave {gone} {things} to {b} and {later} {things} to {c}.",
            "How many {things} does {a} have left?",
        ),
    ),
    Template(
        "groups_plus",
        steps("packed = groups * each; total = packed + extra"),
        (
            "{a} has {groups} {boxes} with {each} {things} in each {box}.",
            "{He} also has {extra} {things} in a {bag}.",
            "How many {things} does {a} have?",
        ),
        largest={"groups": 12, "each": 12},
    ),
    Template(
        "groups_minus",
        steps("packed = groups * each; left = packed - gone"),
        (
            "{a} had {groups} {boxes} with {each} {things} in each {box}.",
            "{He} {parted} {gone} {things}.",
            "How many {things} does {a} have left?",
        ),
        largest={"groups": 12, "each": 12},
    ),
    Template(
        "compare_up_total",
        steps("other = first + more; total = first + other"),
        (
            "{a} has {first} {things}.",
            "{He} has {more} fewer {things} than {b}.",
            "How many {things} do {a} and {b} have together?",
        ),
    ),
    Template(
        "twice_minus",
        steps("double = first * 2; left = double - gone"),
        (
            "{a} has {first} {things}.",
            "{b} had twice as many {things} as {a} has.",
            "Then {b} {parted} {gone} {things}.",
            "How many {things} does {b} have now?",
        ),
    ),
    Template(
        "two_changes_start_unknown",
        steps("sum = end + gone; start = sum - got"),
        (
            "{a} {gained} {got} more {things}.",
            "Then {he} {parted} {gone} {things}.",
            "Now {he} has {end} {things}.",
            "How many {things} did {a} have at first?",
        ),
        larger=(("end", "got"),),
    ),
    Template(
        "combine_and_pack",
        steps("sum = first + second; packs = sum / each"),
        (
            "{a} has {first} large {things} and {second} small {things}.",
            "{He} puts {each} {things} into each {box}.",
            "How many {boxes} does {a} need for the {things}?",
        ),
    ),
)


THREE_STEPS = (
    Template(
        "two_kinds_of_groups",
        steps("packed = groups * each; stacked = stacks * size; total = packed + stacked"),
        (
            "{a} has {groups} {boxes} with {each} {things} in each {box}.",
            "{He} also has {stacks} {bags} with {size} {things} in each {bag}.",
            "How many {things} does {a} have?",
        ),
        largest={"groups": 12, "each": 12, "stacks": 12, "size": 12},
    ),
    Template(
        "groups_minus_shared",
        steps("packed = groups * each; left = packed - gone; part = left / friends"),
        (
            "{a} had {groups} {boxes} with {each} {things} in each {box}.",
            "{He} {parted} {gone} {things}.",
            "Then {he} shared the rest of the {things} equally among {friends} friends.",
            "How many {things} did each friend get?",
        ),
        largest={"groups": 12, "each": 12, "friends": 12},
    ),
    Template(
        "compare_up_total_minus",
        steps("other = first + more; sum = first + other; left = sum - gone"),
        (
            "{a} had {first} {things}.",
            "{b} had {more} more {things} than {a}.",
            "Together {a} and {b} {parted} {gone} {things}.",
            "How many {things} do {a} and {b} have left together?",
        ),
    ),
)
