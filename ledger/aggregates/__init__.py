"""The rules: may this happen, and what is true once it has? Pure, no I/O, no clock."""
