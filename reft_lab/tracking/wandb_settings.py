"""W&B's settings before a run begins: whether it accepts what the environment and the config say, and its mode.

Online, offline or not at all depends on what is asked for and what is possible, without ever waiting for a server.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request

from reft_lab.config.schema import Config
from reft_lab.config.wording import shown
from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.text import did_you_mean, one_line
from reft_lab.tracking.wandb_labels import tags

MODES = ("online", "offline", "disabled")
ALIASES = {"dryrun": "offline", "run": "online", "shared": "online"}  # which W&B takes too
SECRET = re.compile(r"KEY|TOKEN|PASSWORD|SECRET|HEADERS", re.IGNORECASE)
LEAVE_OUT = "or leave W&B out with tracker=none"


def check_settings(config: Config) -> None:
    """See that W&B would accept its settings, if it is wanted at all; no server is asked.

    Raises:
        BadInput: naming the variable or option, and why it is refused.
    """
    if is_wanted(config.tracker.wandb):
        check_environment()
        _check_options(config)


def is_wanted(asked: str) -> bool:
    """Whether W&B has a part in a run with tracker.wandb=`asked`.

    Raises:
        BadInput: it is up to the environment, which names an unknown mode.
    """
    return asked != "disabled" and not (asked == "auto" and environment_mode() == "disabled")


def environment_mode() -> str | None:
    """The mode that the environment asks for, one of MODES; None where it says nothing.

    Raises:
        BadInput: there is no such mode.
    """
    mode = os.environ.get("WANDB_MODE")
    if mode is None:
        return None
    if mode in (*MODES, *ALIASES):
        return ALIASES.get(mode, mode)
    guess = did_you_mean(mode, MODES)
    raise BadInput(
        f"WANDB_MODE={mode!r} is not a W&B mode: it is online, offline or disabled{guess or '; unset it, or set one.'}"
    )


def check_environment() -> None:
    """See that W&B takes each of the variables that it reads, and the key that it has.

    Raises:
        BadInput: naming the one that it does not take.
    """
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    mode = environment_mode()
    for name, value in sorted(os.environ.items()):
        if name.startswith("WANDB_"):
            with foreign_errors(lambda error, name=name, value=value: _refused(name, value, error)):  # type: ignore[misc]
                wandb.Settings().update_from_env_vars({name: value})
    entity = os.environ.get("WANDB_ENTITY")
    if entity is not None and not _is_entity(entity):
        raise BadInput(_refused("WANDB_ENTITY", entity, ValueError(ENTITY)))
    if mode in (None, "online"):
        with foreign_errors(
            lambda error: (
                f"W&B does not take the key that it has ({first_sentence(error)}); correct or unset WANDB_API_KEY, log "
                f"in anew with `wandb login --relogin`, {LEAVE_OUT}."
            )
        ):
            wandb.login(prompt=False, verify=False)


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


ENTITY = "the name of a user or team has letters, digits, - and _ only"


def _is_entity(name: str) -> bool:
    return re.fullmatch(r"[\w.-]+", name) is not None


def _check_options(config: Config) -> None:
    import wandb

    tracker = config.tracker
    if tracker.entity is not None and not _is_entity(tracker.entity):
        raise BadInput(f"tracker.entity={shown(tracker.entity)} is not possible: {ENTITY}; correct it, {LEAVE_OUT}.")
    given = {
        "tracker.project": {"project": tracker.project},
        "tracker.group": {"run_group": tracker.group},
        "tracker.tags": {"run_tags": tags(config)},
    }
    for option, settings in given.items():
        with foreign_errors(
            lambda error, option=option: (  # type: ignore[misc]
                f"{option}={shown(getattr(tracker, option.partition('.')[2]))} is not possible: W&B refuses it "
                f"({_reason(error)}); correct it, {LEAVE_OUT}."
            )
        ):
            wandb.Settings(**settings)  # type: ignore[arg-type]


def _refused(name: str, value: str, error: BaseException) -> str:
    """The sentence on a variable; what may be a secret is not shown."""
    said = f"{name} ({len(value)} characters)" if SECRET.search(name) else _shortened(f"{name}={value!r}")
    return f"{said} is refused by W&B: {_reason(error)}; correct or unset it, {LEAVE_OUT}."


def _reason(error: BaseException) -> str:
    """Why, without the lines that pydantic puts around it."""
    import pydantic

    if isinstance(error, pydantic.ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ").rstrip(".")
    return first_sentence(ValueError(_shortened(str(error))))


def _shortened(text: str) -> str:
    """`text` with quoted values of more than 40 characters cut."""
    return re.sub(r"'([^']{40})[^']+'", r"'\1...'", text)
