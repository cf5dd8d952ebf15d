"""A flash card or a disk as a ticket medium: the card's profile in a mounted folder.

    door ─► volume: whose file system is it?  ─► image: the bytes of one state
                     store: two files, one of them always whole ─► medium

A folder has no chip: it keeps no secret, counts nothing by itself and can be copied
whole. What that costs, and how the ledger answers it: docs/card-layout.md.
"""
