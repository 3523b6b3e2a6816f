"""Command lines run by rsync and by tain in equal trees, compared in everything a user or a script can see."""
