"""The resources of version 1, one blueprint a noun. Read, call one use case, answer."""
