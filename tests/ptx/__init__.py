"""An interpreter of PTX: what NVRTC makes of the kernels, executed on the CPU with every access and every barrier watched.

``parser`` reads the text; ``arithmetic``, ``approximate`` and ``steps`` say what instructions do; ``threads`` runs them, with warps and
barriers; ``memory`` holds every access to bounds, alignment, owners, races and reads of what was never written; ``engine`` is the
engine on top. It does not see what ptxas makes of the text, nor the hardware's own functions: of those ``approximate`` gives
anything within PTX's bounds.
"""
