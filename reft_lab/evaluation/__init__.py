"""How well a policy does, with intervals."""
