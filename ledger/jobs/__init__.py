"""What is done of itself, every now and then: once, however many processes there are.

Nothing here is needed for the truth: deadlines are judged by every command itself. The
jobs make visible what time has ended, go on with what was left half done, tell people,
and watch over what has to be watched.
"""
