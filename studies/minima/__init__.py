"""Which of two minima noisy descent ends in, and how methods move near one: exact laws, and what is held to them."""
