"""The policy: tokenizer, causal language model and value head; sampling from it, and scoring what it wrote."""
