"""A session: everything between a command line and the core. Handshake, client, server, batches."""
