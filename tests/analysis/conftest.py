from tests.real_run import made

__all__ = ["made"]
