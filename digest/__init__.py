"""Digest: gathers a newsroom's articles, composes the round-up, sends it, loses nobody.

The path of the data, in the order of the packages:

    gather     sources | due | fetch (parallel) | parse | clean | decide | store      -> articles
    compose    articles | stories | score | section | cap | override | render | freeze -> issue
    deliver    issue x audience | enqueue | claim | personalise | send | settle        -> deliveries
    feedback   bounces, complaints, unsubscriptions by mail                            -> subscribers

`pipeline` tells that story in one file; `wiring` builds what it needs; `cli`, `web` and `schedule`
only call it. People and their consent live in the package `subscribers`, which knows nothing of this one.
"""

__version__ = "0.1.0"
