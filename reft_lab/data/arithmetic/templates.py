"""The stories that questions are made of: each asks for one computation of one, two or three steps."""

from __future__ import annotations

from dataclasses import dataclass

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
    largest: dict[str, int]
    larger: tuple[tuple[str, str], ...]

    @property
    def givens(self) -> list[str]:
        """The roles that a question states, in the order in which the steps first use them."""
        results = {step.result for step in self.steps}
        operands = [operand for step in self.steps for operand in (step.left, step.right)]
        return [o for o in dict.fromkeys(operands) if o not in results and not o.isdecimal()]


_STORIES = """
gain: total = start + got
{a} had {start} {things}.
{He} {gained} {got} more {things}.
How many {things} does {a} have now?

loss: left = start - gone
{a} had {start} {things}.
{He} {parted} {gone} {things}.
How many {things} does {a} have left?

gain_change_unknown: got = end - start
{a} had {start} {things}.
{He} {gained} some more {things} and now has {end} {things}.
How many {things} did {a} {gain}?

loss_change_unknown: gone = start - end
{a} had {start} {things}.
{He} {parted} some {things} and now has {end} {things}.
How many {things} did {a} {part_with}?

gain_start_unknown: start = end - got
{a} {gained} {got} more {things}.
Now {he} has {end} {things}.
How many {things} did {a} have at first?

loss_start_unknown: start = end + gone
{a} {parted} {gone} {things}.
Now {he} has {end} {things}.
How many {things} did {a} have at first?

combine: total = first + second
{a} has {first} {things}.
{b} has {second} {things}.
How many {things} do {a} and {b} have together?

difference: more = first - second
{a} has {first} {things}.
{b} has {second} {things}.
How many more {things} does {a} have than {b}?

compare_up: other = first + more
{a} has {first} {things}.
{b} has {more} more {things} than {a}.
How many {things} does {b} have?

compare_down: other = first - more
{a} has {first} {things}.
{He} has {more} more {things} than {b}.
How many {things} does {b} have?

groups: packed = groups * each
where groups each <= 12
{a} has {groups} {boxes}.
There are {each} {things} in each {box}.
How many {things} are in the {boxes}?

share: part = whole / groups
{a} put {whole} {things} into {groups} {boxes}.
Each {box} holds the same number of {things}.
How many {things} are in each {box}?

gain_and_loss: sum = start + got; left = sum - gone
where start > gone
{a} had {start} {things}.
{He} {gained} {got} more {things}.
Then {he} {parted} {gone} {things}.
How many {things} does {a} have now?

two_losses: rest = start - gone; left = rest - later
{a} had {start} {things}.
{He} gave {gone} {things} to {b} and {later} {things} to {c}.
How many {things} does {a} have left?

groups_plus: packed = groups * each; total = packed + extra
where groups each <= 12
{a} has {groups} {boxes} with {each} {things} in each {box}.
{He} also has {extra} {things} in a {bag}.
How many {things} does {a} have?

groups_minus: packed = groups * each; left = packed - gone
where groups each <= 12
{a} had {groups} {boxes} with {each} {things} in each {box}.
{He} {parted} {gone} {things}.
How many {things} does {a} have left?

compare_up_total: other = first + more; total = first + other
{a} has {first} {things}.
{He} has {more} fewer {things} than {b}.
How many {things} do {a} and {b} have together?

twice_minus: double = first * 2; left = double - gone
{a} has {first} {things}.
{b} had twice as many {things} as {a} has.
Then {b} {parted} {gone} {things}.
How many {things} does {b} have now?

two_changes_start_unknown: sum = end + gone; start = sum - got
where end > got
{a} {gained} {got} more {things}.
Then {he} {parted} {gone} {things}.
Now {he} has {end} {things}.
How many {things} did {a} have at first?

combine_and_pack: sum = first + second; packs = sum / each
{a} has {first} large {things} and {second} small {things}.
{He} puts {each} {things} into each {box}.
How many {boxes} does {a} need for the {things}?

two_kinds_of_groups: packed = groups * each; stacked = stacks * size; total = packed + stacked
where groups each stacks size <= 12
{a} has {groups} {boxes} with {each} {things} in each {box}.
{He} also has {stacks} {bags} with {size} {things} in each {bag}.
How many {things} does {a} have?

groups_minus_shared: packed = groups * each; left = packed - gone; part = left / friends
where groups each friends <= 12
{a} had {groups} {boxes} with {each} {things} in each {box}.
{He} {parted} {gone} {things}.
Then {he} shared the rest of the {things} equally among {friends} friends.
How many {things} did each friend get?

compare_up_total_minus: other = first + more; sum = first + other; left = sum - gone
{a} had {first} {things}.
{b} had {more} more {things} than {a}.
Together {a} and {b} {parted} {gone} {things}.
How many {things} do {a} and {b} have left together?
"""
"""A block for each template: its name and computation, a condition on its numbers, its sentences."""


def steps(text: str) -> tuple[Step, ...]:
    """Read "sum = first + second; left = sum - gone"."""
    parts = [line.split() for line in text.split(";")]
    return tuple(Step(result, left, operator, right) for result, _, left, operator, right in parts)


def _template(block: str) -> Template:
    head, *sentences = block.split("\n")
    name, _, computation = head.partition(": ")
    conditions = sentences.pop(0).removeprefix("where ") if sentences[0].startswith("where ") else ""
    roles, _, limit = conditions.partition(" <= ")
    more, _, less = conditions.partition(" > ")
    largest = {role: int(limit) for role in roles.split()} if limit else {}
    return Template(name, steps(computation), tuple(sentences), largest, ((more, less),) if less else ())


TEMPLATES = tuple(map(_template, _STORIES.strip().split("\n\n")))
BY_LENGTH = {count: tuple(each for each in TEMPLATES if len(each.steps) == count) for count in (1, 2, 3)}
"""The templates by their number of steps."""
