"""The whole path on a sample magazine, on this machine alone: its feeds, its mailbox."""
