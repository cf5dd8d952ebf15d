"""Looking after a log: rights, copies, examinations, and several logs at once."""
