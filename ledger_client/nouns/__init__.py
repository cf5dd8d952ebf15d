"""What the ledger knows by name, each with its commands and its answers.

The classes of answers say what is told, in the API's own names; the API's document
(`/v1/openapi.json`) says what each member means.
"""
