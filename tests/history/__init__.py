"""Did concurrent clients of the ledger see one history? Clients, a checker, controls.

client      asks for commands and reads, and writes down when and what it was told
doings      what clients do: real use cases on a few things that all want
log, model  the log as commits, and what is so after each of them
checker     holds what clients were told against that: one order, in real time
one_ticket  the same of one ticket, for who sees no log: searched, not read
builds      the ledger broken on purpose: the checker must find each
campaign    many clients in processes of their own, then the checker
"""
