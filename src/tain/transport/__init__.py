"""How bytes reach the other side: remote shell, TCP (direct, proxied, by a program), or a forked twin."""
