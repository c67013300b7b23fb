"""Stores: folders in which an experiment grows, whoever works on it and whatever ends them."""
