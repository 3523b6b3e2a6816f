"""The options: from the words of a command line to resolved values. Below `session`, which never sees a word."""
