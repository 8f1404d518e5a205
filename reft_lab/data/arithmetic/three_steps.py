"""The three-step templates."""

from __future__ import annotations

from reft_lab.data.arithmetic.template import Template, steps

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
