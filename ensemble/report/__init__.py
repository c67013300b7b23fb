"""Pages of what was found, for a script of one's own: ``Report`` collects sentences, pictures, laws and tables; ``write`` makes the
page of one result.
"""

from .checks import Check, verdict
from .of_result import write
from .report import Report

__all__ = ["Check", "Report", "verdict", "write"]
