"""What pyproject.toml has no words for: in a wheel, conf/ and sweeps/ are inside the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CHOICES = ("conf", "sweeps")


class WithChoices(build_py):
    """Copies the packages, and the choices beside them; an editable install reads those of the checkout."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for file in (file for folder in CHOICES for file in sorted(Path(folder).rglob("*.yaml"))):
            target = Path(self.build_lib, "reft_lab", file)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(file), str(target))


setup(cmdclass={"build_py": WithChoices})
