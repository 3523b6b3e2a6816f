"""tain with the real rsync at the other end of a link."""
