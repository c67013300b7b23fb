"""A run: what decides it, what it will take, and what takes it through its batches to an outcome."""
