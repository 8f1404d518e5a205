"""Chain of thought: how reasoning is written and read back."""

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot.format import CotFormat, Prompts
from reft_lab.cot.natural import NaturalFormat
from reft_lab.cot.program import ProgramFormat
from reft_lab.cot.settings import CotConfig
from reft_lab.errors import BadInput
from reft_lab.programs import ProgramRunner

__all__ = ["CotFormat", "NaturalFormat", "ProgramFormat", "Prompts", "make_format"]


def make_format(cot: CotConfig, answers: AnswersConfig, runner: ProgramRunner, slots: bool) -> CotFormat:
    """The format that the config asks for.

    Args:
        runner: runs the programs; natural language does not use it.
        slots: whether the question's numbers become x0, x1, ... (programs only).

    Raises:
        BadInput: slots are asked for natural language.
    """
    if cot.name == "program":
        return ProgramFormat(cot, answers, runner, slots)
    if slots:
        raise BadInput("cot.number_slots=true is for programs; give cot=program, or cot.number_slots=false.")
    return NaturalFormat(answers)
