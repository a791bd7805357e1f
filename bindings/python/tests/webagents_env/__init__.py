"""The environment of the real webagents, and what runs inside it."""
