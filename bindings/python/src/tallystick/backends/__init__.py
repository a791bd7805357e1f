"""How the core gets into this process: one module per way."""
