"""One file a verb. A new file here is a new verb; see lvslab/cli/verb.py."""
