"""What Adam does in the smallest examples: its laws, and for each of its failures the runs that show it."""
