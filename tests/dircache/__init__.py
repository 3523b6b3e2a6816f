"""The directory cache: senders in threads of one process, with and without it."""
