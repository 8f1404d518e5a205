"""Whether the Hugging Face hub can be reached, found out in seconds rather than after the retries of its library."""

from __future__ import annotations

import threading
from collections.abc import Callable

_REACH_TIMEOUT = 4.0
"""Seconds to wait for the hub before falling back to its cache on this machine."""


def obstacle(kind: str, name: str) -> str | None:
    """Why the hub cannot be asked for `name`; None if it answers. The user's proxies and mirrors are used.

    Args:
        kind: "models" or "datasets".
        name: id on the hub.
    """
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "offline mode is set"

    def ask() -> str | None:
        address = f"{constants.ENDPOINT}/api/{kind}/{name}"
        try:
            status = huggingface_hub.get_session().head(address, timeout=_REACH_TIMEOUT).status_code
        except Exception as error:
            return f"{constants.ENDPOINT} cannot be reached: {error}"
        return f"{constants.ENDPOINT} is out of order: HTTP status {status}" if status >= 500 else None

    return within(_REACH_TIMEOUT, ask, f"{constants.ENDPOINT} did not answer within {_REACH_TIMEOUT:g} s")


def within(seconds: float, ask: Callable[[], str | None], otherwise: str) -> str | None:
    """What `ask` finds out about a server, or `otherwise` if that takes longer than `seconds`."""
    found: list[str | None] = [otherwise]

    def put() -> None:
        found[0] = ask()

    # In a thread, because looking up a name may hang for longer than the timeout of the request.
    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0]
