"""What W&B refuses of its settings is one sentence before a run begins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reft_lab.config.running import TrackerConfig
from reft_lab.config.schema import Config
from reft_lab.errors import BadInput
from reft_lab.tracking.wandb_settings import check_settings, choose_mode

OFFLINE = Config(tracker=TrackerConfig(wandb="offline"))


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")  # no key is looked for


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("WANDB_MODE", "", "WANDB_MODE='' is not a W&B mode: it is online, offline or disabled; unset it"),
        ("WANDB_MODE", "ofline", "did you mean offline?"),
        ("WANDB_MODE", "Online", "did you mean online?"),
        ("WANDB_MODE", "true", "it is online, offline or disabled; unset it"),
        ("WANDB_API_KEY", "   ", "WANDB_API_KEY (3 characters) is refused by W&B: API key cannot start or end with"),
        ("WANDB_BASE_URL", "localhost:8080", "WANDB_BASE_URL='localhost:8080' is refused by W&B: URL scheme should be"),
        ("WANDB_BASE_URL", "wandb.example.com", "WANDB_BASE_URL='wandb.example.com' is refused by W&B"),
        ("WANDB_BASE_URL", "", "WANDB_BASE_URL='' is refused by W&B"),
        ("WANDB_PROJECT", "our/project", "WANDB_PROJECT='our/project' is refused by W&B: Invalid project name"),
        ("WANDB_PROJECT", "p" * 129, "exceeded 128 characters"),
        ("WANDB_ENTITY", "our team/x", "WANDB_ENTITY='our team/x' is refused by W&B: the name of a user or team has"),
        ("WANDB_INIT_TIMEOUT", "long", "WANDB_INIT_TIMEOUT='long' is refused by W&B"),
        ("WANDB_CONSOLE", "maybe", "WANDB_CONSOLE='maybe' is refused by W&B"),
    ],
)
def test_a_variable_that_is_refused_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput) as caught:
        check_settings(OFFLINE)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    check_settings(Config(tracker=TrackerConfig(wandb="disabled")))


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", " topsecret ")
    with pytest.raises(BadInput) as caught:
        check_settings(OFFLINE)
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    ("tracker", "expected"),
    [
        ({"project": "a/b"}, "tracker.project=a/b is not possible: W&B refuses it (Invalid project name"),
        ({"entity": "a b"}, "tracker.entity=a b is not possible: the name of a user or team has"),
    ],
)
def test_an_option_that_is_refused_is_named(tracker: dict[str, str], expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_settings(Config(tracker=TrackerConfig(wandb="offline", **tracker)))
    assert expected in str(caught.value)


@pytest.mark.parametrize(("asked", "mode"), [("dryrun", "offline"), ("offline", "offline"), ("disabled", "disabled")])
def test_the_environment_chooses_a_mode_by_every_name_it_has(
    monkeypatch: pytest.MonkeyPatch, asked: str, mode: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", asked)
    auto = Config(tracker=TrackerConfig(wandb="auto"))
    check_settings(auto)
    assert choose_mode(auto) == (mode, None)


@pytest.mark.parametrize("words", [[], ["-m", "sweeps=kl", "sweeps.name=study"]])
def test_a_short_key_ends_a_run_and_a_study_with_one_sentence(repo: Path, tmp_path: Path, words: list[str]) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    done = subprocess.run(
        [sys.executable, repo / "run.py", *words, "debug=quick", "tracker.wandb=auto", "model.path=no/such/model"],
        capture_output=True,
        text=True,
        env=plain | {"HOME": str(tmp_path), "WANDB_API_KEY": "short"},
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert line.startswith("error: W&B does not take the key that it has (WANDB_API_KEY invalid: API key must have 40+")
    assert "tracker=none" in line
