"""A card in software, as strict as silicon: for the demo, tests and development.

It holds no secret that silicon would protect. Nothing chooses it by a setting: whoever
wants one builds a `VirtualCard` and says so.
"""

from card_bridge.virtual.card import VirtualCard

__all__ = ["VirtualCard"]
