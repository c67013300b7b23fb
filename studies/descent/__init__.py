"""Laws of descent to a minimum that single studies need, beside those of ensemble.statistics."""
