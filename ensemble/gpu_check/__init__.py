"""``python -m ensemble gpu-check``: all that there is to find out about a GPU, in steps of their own, and a report to send back."""
