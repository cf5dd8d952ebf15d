"""The dispenser in the story: its own program, with its own folder and its own line."""


def present(world, card, *, answer):
    raise AssertionError
