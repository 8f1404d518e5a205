"""Online, offline or not at all: what is asked for, and what is possible without ever waiting for a server."""

from __future__ import annotations

import os
import urllib.error
import urllib.request

from reft_lab.config.schema import Config
from reft_lab.tracking.wandb_settings import check_environment, environment_mode


def choose_mode(config: Config) -> tuple[str, str | None]:
    """The W&B mode that is possible.

    Returns:
        "disabled", "offline" or "online", and a sentence for the user where it is not the one asked for.
    """
    mode = config.tracker.wandb
    if mode == "auto":
        mode = environment_mode() or ("online" if is_logged_in() else "offline")
    if mode != "online":
        return mode, None
    if not is_logged_in():  # W&B would stop and ask
        return "offline", "W&B: not logged in (`wandb login` does that); the run goes on offline."
    url = server_url()
    problem = why_unreachable(url, config.tracker.connect_timeout)
    if problem:
        return "offline", f"W&B: {url} cannot be reached ({problem}); the run goes on offline."
    return mode, None


def one_line(error: object) -> str:
    """The text of an error, short and on one line."""
    return " ".join(str(error).split())[:160]


def is_logged_in() -> bool:
    """Whether W&B has a key, and may use it; never asks for one.

    Raises:
        BadInput: W&B refuses the key, or another of its settings in the environment.
    """
    check_environment()
    import wandb

    return bool(wandb.login(prompt=False, verify=False))


def server_url() -> str:
    """The address of the W&B server."""
    import wandb

    return os.environ.get("WANDB_BASE_URL") or str(wandb.Settings().base_url)


def why_unreachable(url: str, timeout: float) -> str | None:
    """Why a server does not answer within `timeout` seconds, None where it does; W&B's client tries for much longer."""
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return None
    except urllib.error.HTTPError:
        return None  # it answered
    except (OSError, ValueError) as error:
        return one_line(getattr(error, "reason", None) or error)
