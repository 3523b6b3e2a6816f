"""Peers that lie, vanish or fall silent; processes that are killed; disks that fill up."""
