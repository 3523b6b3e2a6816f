"""The command: argument zero, signals, exit codes."""
