"""The questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

from reft_lab.errors import BadInput
from reft_lab.fields import STRICT, OneOf, doc
from reft_lab.text import not_there


@dataclass
class DataConfig:
    """The questions: which data set, from where, and how it is split."""

    __pydantic_config__ = STRICT
    name: Annotated[
        str,
        doc(
            "data set; arithmetic is generated, mathqa_numeric asks for the number of the right option instead of its "
            "letter, any other is read as it is",
            min_length=1,
        ),
    ] = "arithmetic"
    source: Annotated[
        str,
        doc(
            "where the problems come from when neither data.path nor data.train is given: the hub (data.hub), or the "
            "files that the paper's authors released, fetched once and checked (paper)"
        ),
        OneOf("hub", "paper"),
    ] = "hub"
    hub: Annotated[Optional[str], doc("hub id that is loaded with data.source=hub when no path is given")] = None
    hub_config: Annotated[Optional[str], doc("configuration name of the hub data set")] = None
    path: Annotated[Optional[str], doc("file or folder to read instead of the hub; the format is recognised")] = None
    train: Annotated[Optional[str], doc("file with the training problems (takes precedence over `path`)")] = None
    dev: Annotated[Optional[str], doc("file with the dev problems (otherwise dev is carved from train)")] = None
    test: Annotated[Optional[str], doc("file with the test problems")] = None
    train_size: Annotated[Optional[int], doc("seeded subset of the training problems", unit="problems", ge=1)] = None
    dev_size: Annotated[int, doc("problems carved from train for dev", unit="problems", ge=1)] = 200
    test_size: Annotated[
        Optional[int],
        doc("test problems: how many to generate, to carve where there is no test file, or a seeded subset", ge=1),
    ] = None
    families: Annotated[
        str,
        doc(
            "which questions of train are kept out of a dev or test that is carved from it: those equal but for "
            "case and blanks (exact), also for punctuation and number format (normalised), also for numbers and names "
            "(masked)"
        ),
        OneOf("masked", "normalised", "exact"),
    ] = "masked"
    split_seed: Annotated[int, doc("seed of every split and subset; the same for all seeds of a study", ge=0)] = 0
    annotation: Annotated[
        str,
        doc("arithmetic only: the styles of many annotators (mixed) or one style (clean)"),
        OneOf("mixed", "clean"),
    ] = "mixed"

    def check(self) -> None:
        """Check rules that concern several options, and that files exist.

        Raises:
            BadInput: two options do not go together, or a file does not exist.
        """
        given = {key: path for key in ("path", "train", "dev", "test") if (path := getattr(self, key)) is not None}
        if self.name == "arithmetic":
            if given:
                key, path = next(iter(given.items()))
                raise BadInput(
                    f"data.{key}={path} does not go with data=arithmetic, which is generated; say what the file holds: "
                    "data=gsm8k, svamp, mathqa or mathqa_numeric."
                )
            if self.source == "paper":
                raise BadInput(
                    "data.source=paper does not go with data=arithmetic, which is generated; choose data=gsm8k, svamp, "
                    "mathqa or mathqa_numeric."
                )
        elif self.annotation != "mixed":
            raise BadInput(
                f"data.annotation={self.annotation} goes with data=arithmetic only, and this is {self.name}."
            )
        for key, path in given.items():
            if not Path(path).expanduser().exists():
                raise BadInput(not_there(f"data.{key}", path))
