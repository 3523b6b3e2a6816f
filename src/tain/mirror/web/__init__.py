"""The page of a mirror server: HTML that needs no script, JSON, a stream of events, documents for other programs."""
