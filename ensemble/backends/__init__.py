"""Backends: engines that run programs. cuda and cpu share the kernel sources, numpy is their specification."""
