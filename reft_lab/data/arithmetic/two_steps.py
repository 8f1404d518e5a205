"""The two-step templates."""

from __future__ import annotations

from reft_lab.data.arithmetic.template import Template, steps

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
