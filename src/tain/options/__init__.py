"""Options: from the words of a command line to resolved values (spec: options).

`table` declares them, `parse` reads words, `handlers` applies them in order, `resolve` decides what depends on several,
`resolved` holds the result. `session` works with the result only.
"""
