"""One HTTP request as the core takes it: its facts, its body, its refusal."""
