"""Did concurrent clients of the ledger see one history? Clients, a checker, controls.

client      asks for real commands and reads, and writes down when and what it was told
history     the log as commits, and a small model that tells what is so after each
checker     holds what clients were told against that: one order, in real time
one_ticket  the same of one ticket, for who sees no log: searched, not read
builds      the ledger broken on purpose: the checker must find each
campaign    many clients in processes of their own, then the checker
"""
