"""The sub-commands of ``tain mirror``, one file for each group of them."""
