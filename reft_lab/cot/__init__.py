"""Chain of thought: how reasoning is written and read back."""

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import natural, program
from reft_lab.cot.format import PLAIN, CotFormat, Frame, Prompts
from reft_lab.cot.natural import NaturalFormat
from reft_lab.cot.program import ProgramFormat
from reft_lab.cot.settings import CotConfig
from reft_lab.programs import ProgramRunner

__all__ = ["CotFormat", "Frame", "NaturalFormat", "ProgramFormat", "Prompts", "make_format", "task"]


def make_format(cot: CotConfig, answers: AnswersConfig, runner: ProgramRunner, frame: Frame = PLAIN) -> CotFormat:
    """The format that the config asks for.

    Args:
        runner: runs the programs; natural language does not use it.
        frame: what stands around a question: with cot.prompt=chat what the template has there.

    Raises:
        BadInput: two options of `cot` do not go together.
    """
    cot.check()
    return ProgramFormat(cot, answers, runner, frame) if cot.name == "program" else NaturalFormat(answers, frame)


def task(cot: CotConfig) -> str:
    """What the user of a chat asks for, below the question."""
    return program.TASK if cot.name == "program" else natural.TASK
