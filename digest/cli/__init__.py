"""The command line: one file per noun; words in, words out, no rules."""
