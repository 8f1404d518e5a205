"""What `--cfg` prints: the experiment, Hydra's settings, or both."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict

from reft_lab.compose.composed import Composed
from reft_lab.compose.conf import composing
from reft_lab.errors import BadInput


def show(composed: Composed) -> None:
    """Print what was composed; run nothing.

    Raises:
        BadInput: there is no such --package, or something in it has no value.
    """
    flags, node = composed.flags, composed.node
    HydraConfig.instance().set_config(node)  # for ${hydra:...}
    is_seen = {"job": lambda key: key != "hydra", "hydra": lambda key: key == "hydra", "all": lambda key: True}[
        flags.cfg
    ]
    shown = OmegaConf.masked_copy(node, [str(key) for key in filter(is_seen, node)])
    if "hydra" in shown:
        OmegaConf.set_readonly(shown.hydra, False)
        with open_dict(shown.hydra):
            del shown.hydra["help"], shown.hydra["hydra_help"]  # pages of text
    package = None if flags.package == "_global_" else flags.package
    with composing():
        part = shown if package is None else OmegaConf.select(shown, package)
        if part is None:
            raise BadInput(f"--package {package} is not part of the config; see --cfg {flags.cfg}.")
        if not OmegaConf.is_config(part):
            print(part)
            return
        if flags.resolve:
            OmegaConf.resolve(part)
        header = "" if package is None else f"# @package {package}\n"
        print(f"{header}{OmegaConf.to_yaml(part)}", end="")
