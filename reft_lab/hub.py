"""Whether the Hugging Face hub can be asked, found out in seconds rather than after its library's retries."""

from __future__ import annotations

import threading

_REACH_TIMEOUT = 4.0
"""Seconds to wait for the hub before only its cache on this machine is tried."""


def obstacle(kind: str, name: str) -> str | None:
    """Why the hub cannot be asked for `name`, None if it answers. The user's proxies and mirrors are heeded.

    Args:
        kind: "models" or "datasets".
        name: id on the hub.
    """
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "offline mode is set"
    found: list[str | None] = [f"{constants.ENDPOINT} did not answer within {_REACH_TIMEOUT:g} s"]

    def ask() -> None:
        address = f"{constants.ENDPOINT}/api/{kind}/{name}"
        try:
            status = huggingface_hub.get_session().head(address, timeout=_REACH_TIMEOUT).status_code
            found[0] = f"{constants.ENDPOINT} is out of order: HTTP status {status}" if status >= 500 else None
        except Exception as error:
            found[0] = f"{constants.ENDPOINT} cannot be reached: {error}"

    # In a thread, because looking up a name may hang for longer than any timeout of the request.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_REACH_TIMEOUT)
    return found[0]
