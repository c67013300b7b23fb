"""Which of two minima noisy descent ends in: the exact laws, and the shares of an ensemble that are held to them."""
