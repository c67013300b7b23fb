"""The cases of the study of convergence rates: quadratics, whose laws are exact, and functions with bounds alone."""
