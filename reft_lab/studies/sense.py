"""Whether sampler, pruner and storage can do what a study asks of them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from reft_lab.errors import BadInput
from reft_lab.studies.definition import Definition

LEARNS_NUMBERS = {"gp": 1, "cmaes": 2}  # how many options that are numbers it needs
PACKAGES = {"cmaes": "cmaes", "gp": "torch", "qmc": "scipy"}


def check_sampler(definition: Definition) -> None:
    """Raises BadInput where sampler or pruner do not suit the space or the objectives."""
    name, several = definition.sampler.name, len(definition.objectives) > 1
    numbers = [parameter for parameter in definition.space if parameter.kind != "choice"]
    least = LEARNS_NUMBERS.get(name, 0)
    if len(numbers) < least:
        words = "at least one option that is a number" if least == 1 else "at least two options that are numbers"
        raise BadInput(
            f"sweeps/sampler={name} needs {words} over a range, and the space has {len(numbers)}; take "
            "sweeps/sampler=tpe or grid."
        )
    if several and name == "cmaes":
        raise BadInput("sweeps/sampler=cmaes knows one objective only; take sweeps/sampler=tpe.")
    pruner = definition.pruner
    if several and pruner.name != "none":
        raise BadInput(
            f"sweeps/pruner={pruner.name} judges by one objective, and there are {len(definition.objectives)}; take "
            "sweeps/pruner=none."
        )
    if pruner.max_resource is not None and (pruner.min_resource or 1) > pruner.max_resource:
        raise BadInput(
            f"sweeps.pruner.min_resource={pruner.min_resource} is more than sweeps.pruner.max_resource="
            f"{pruner.max_resource}; lower the one or raise the other."
        )
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        raise BadInput(f"sweeps/sampler={name} needs the package {package}: pip install {package}.")


def check_storage(definition: Definition) -> None:
    """Raises BadInput where the study cannot be kept where it should be."""
    url = definition.storage
    if url.startswith("journal://"):
        if not url.startswith("journal:///"):
            raise BadInput(f"sweeps.storage={url} is not possible: write journal:///ABSOLUTE_FILE.")
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    forms = "write sqlite:///FILE or postgresql://USER@HOST/DATABASE, or leave it out for a file in the study folder"
    try:
        parsed = make_url(url)
        dialect = parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise BadInput(f"sweeps.storage={url} is no address of a database; {forms}.") from error
    try:
        dialect.import_dbapi()
    except ImportError as error:
        driver = error.name or parsed.drivername
        install = (
            "pip install 'reft_lab[postgres]'" if parsed.drivername.startswith("postgres") else f"install {driver}"
        )
        raise BadInput(f"sweeps.storage={url} needs the package {driver}: {install}.") from error
    if parsed.drivername.startswith("sqlite"):
        file = parsed.database
        if not file or file == ":memory:":
            raise BadInput(f"sweeps.storage={url} is in memory, where no run could see it; {forms}.")
        if not Path(file).absolute().parent.is_dir():
            raise BadInput(f"sweeps.storage={url} is in a folder that is not there; make {Path(file).parent} first.")
