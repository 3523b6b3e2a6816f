"""The faults that were found in tain 0.1.0, as scripts that anybody can run with either program."""
