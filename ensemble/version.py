"""The version, which ``pyproject.toml`` and ``CITATION.cff`` say too."""

__version__ = "0.1.0"
