"""Words that both sides share: the ledger, the card side and the dispenser.

Nothing in here imports anything of ours, waits, or touches the outside world.
"""
