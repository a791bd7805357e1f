"""The core in this process: backends, engines, forks, signers, errors."""
