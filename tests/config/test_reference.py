"""The configuration reference is complete, true and up to date, and so is the page of metrics."""

import dataclasses
from pathlib import Path

import pydantic
import pytest
from omegaconf import OmegaConf

from reft_lab.config.options import Option, options, sections
from reft_lab.config.reference import PAGES, configuration
from reft_lab.config.schema import Config


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == PAGES[page](), "run `python -m reft_lab.config.reference`"


def test_every_option_is_there_once() -> None:
    flat: dict[str, object] = {}

    def walk(value: object, prefix: str) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                walk(part, f"{prefix}.{name}" if prefix else name)
        else:
            flat[prefix] = value

    walk(OmegaConf.to_container(OmegaConf.structured(Config)), "")
    assert {key: option.default for key, option in options().items()} == flat
    page = configuration()
    assert all(page.count(f"| `{key}` |") == 1 for key in flat)


@pytest.mark.parametrize("option", list(options().values()), ids=lambda option: option.key)
def test_an_option_says_what_it_means_and_takes(option: Option) -> None:
    assert len(option.meaning) >= 6
    assert option.allowed
    if option.limits:
        assert option.range


def test_sections_have_a_meaning() -> None:
    assert {"ppo", "model.scratch"} <= set(sections())
    assert all(sections().values())


def test_limits_are_what_is_checked() -> None:
    """A value just outside the limits that the page names is refused, one on them is taken."""
    validator = pydantic.TypeAdapter(Config)
    plain = dataclasses.asdict(Config())
    for option in options().values():
        for name, limit in option.limits.items():
            step = {"ge": -1, "gt": 0, "le": 1, "lt": 0}[name]
            with pytest.raises(pydantic.ValidationError) as caught:
                validator.validate_python(_with(plain, option.key, limit + step))
            assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [option.key]
            if name in ("ge", "le"):
                validator.validate_python(_with(plain, option.key, limit))


def _with(plain: dict[str, object], key: str, value: object) -> dict[str, object]:
    first, _, rest = key.partition(".")
    return {**plain, first: _with(plain[first], rest, value) if rest else value}  # type: ignore[arg-type]
