"""Jobs from the configurations of other tools. Each file is read, and never executed."""
