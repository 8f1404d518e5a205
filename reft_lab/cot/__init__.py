"""Chain of thought: how reasoning is written and read back."""

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot.format import CotFormat, Prompts
from reft_lab.cot.natural import NaturalFormat
from reft_lab.cot.program import ProgramFormat
from reft_lab.cot.settings import CotConfig
from reft_lab.programs import ProgramRunner

__all__ = ["CotFormat", "NaturalFormat", "ProgramFormat", "Prompts", "make_format"]


def make_format(cot: CotConfig, answers: AnswersConfig, runner: ProgramRunner) -> CotFormat:
    """The format that the config asks for.

    Args:
        runner: runs the programs; natural language does not use it.

    Raises:
        BadInput: two options of `cot` do not go together.
    """
    cot.check()
    return ProgramFormat(cot, answers, runner) if cot.name == "program" else NaturalFormat(answers)
