"""Rules over keepalived.conf: of one file, and of the files of all directors together. Pure."""
