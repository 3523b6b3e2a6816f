"""The wire, shown by a peer of its own: written from the description of the protocol, sharing nothing with tain."""
