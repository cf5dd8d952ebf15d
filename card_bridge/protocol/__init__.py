"""What bytes go to the card, and what they mean. Pure: no I/O, no clock, no chance.

Names are those of NXP's public documents: MF2DLHX0 (DESFire Light, the open twin of
the EV2/EV3 command set), AN12343 and AN12196 (EV2 secure messaging), AN10922 (key
diversification). This package imports nothing of ours.
"""
