"""What a command line that cannot be is answered with."""

from __future__ import annotations

import pytest

from reft_lab.command.launch import check_command
from reft_lab.errors import BadInput


def complaint(*words: str) -> str:
    """The one sentence."""
    with pytest.raises(BadInput) as caught:
        check_command(words)
    text = str(caught.value)
    assert "\n" not in text
    return text
