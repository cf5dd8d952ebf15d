"""What is text: letters that can be stored, shown and printed, by whomever said."""

import unicodedata

# Control characters and half surrogates are no text; the database refuses both.
_NO_TEXT = frozenset({"Cc", "Cs"})


def is_text(said: str) -> bool:
    """Say whether this is text: no control characters, no half of a surrogate pair."""
    return not any(unicodedata.category(letter) in _NO_TEXT for letter in said)
