"""What a user would otherwise write, in each array library, for the comparison in `studies/performance.py`."""
