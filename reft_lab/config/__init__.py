"""The typed schema of conf/ and its checks."""
