from tests.analysis.real_run import made

__all__ = ["made"]
