"""ISSUE -> DELIVERIES: the ledger, the messages, the connections. Loses nobody, says what it can't know."""
