"""Answers: reading them, comparing them, and the outcome of a response."""
