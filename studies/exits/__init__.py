"""Laws of exits that single studies need, beside those of ensemble.statistics."""
