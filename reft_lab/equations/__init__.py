"""The paper's equations as pure functions, and the stages built on them."""
