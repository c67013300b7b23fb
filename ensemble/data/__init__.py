"""Data to fit: small sets that come with scikit-learn, sets made by a law that is known, and any arrays of one's own.

Each is a :class:`Data`, standardised and split by its own seed: ``data = load("digits")``, then ``data.train.X``, ``data.test.y``.
Nothing is downloaded, and whatever is drawn comes from the library's generator, so that a seed means the same numbers everywhere.
"""

from .made import gaussian_mixture, teacher
from .shipped import load
from .split import Data, Samples, split

__all__ = ["Data", "Samples", "gaussian_mixture", "load", "split", "teacher"]
