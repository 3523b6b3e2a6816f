"""One transfer in several streams: `region` divides the names, `streams` runs the parts and joins what they report."""
