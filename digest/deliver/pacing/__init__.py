"""When which message may go, and over which relay: limits, shares, turns by domain, pauses with their causes.

jobs      the queue: what a relay gets next (lanes, waiting), what an answer means for what comes after it (health)
pace      rates, days and warm-up plans; `breaker` pauses, `causes` tells whose fault an answer was
memory    what is remembered over restarts and shared by senders; `keeper` brings it there and back every second
standing  how relays stand, for people
"""
