"""What runs return, and the files they are kept in."""
