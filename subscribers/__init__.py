"""People, what they agreed to, and whether they may be mailed. Knows nothing of articles, issues or SMTP.

joining     a sign-up becomes a pending subscription and a wish to send a confirm mail (a value: nothing is sent here)
leaving     one click, a page or an administrator ends a subscription; suppression keeps an address away for ever
audience    who may be mailed, as one SQL rule per kind of occasion
transfer    lists in and out as CSV
"""
