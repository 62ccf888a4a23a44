"""An issue as its readers will see it, on one page of files: no script, nothing of a mail can act there.

page     variants -> pages         browser    pictures by a headless Chromium
folder   the files of a preview, and none of the one before
"""
