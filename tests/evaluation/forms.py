"""Ways of writing and reading reasoning whose outcomes a test knows."""

from __future__ import annotations

from collections.abc import Sequence

from reft_lab.answers.outcome import Outcome
from reft_lab.data.problem import Problem


class LengthForm:
    """Asks the question as it is; the answer is the number of characters of the response."""

    def prompt(self, problem: Problem, stage: str) -> str:
        return problem.question

    def completion(self, problem: Problem, stage: str) -> str:
        return problem.answer

    def judge(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Outcome]:
        answers = [str(len(response)) for response in responses]
        return [
            Outcome("correct" if answer == problem.answer else "wrong", answer=answer)
            for problem, answer in zip(problems, answers, strict=True)
        ]
