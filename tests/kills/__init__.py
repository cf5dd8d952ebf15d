"""What is killed with signal 9, at any moment, under load: nothing promised is lost.

    journal ◄── writer ──► the log ◄── ledgerctl log publish, projections run
       │                     │
       └─────── checks ──────┘      campaign: kills one of them, starts it again, checks

`make kills` runs a long campaign, cuts the power of a server's disk where it may, and
runs broken builds that its checks must catch. The tests are a short campaign, and
readers that must not miss an event whatever writers do.
"""
