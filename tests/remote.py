"""Arrays that live elsewhere, as on a device: they mix with no NumPy array, and none is made of them unasked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ensemble.backends.numpy import NumpyEngine


class Remote:
    """An array on a device that is not there: what CuPy's arrays refuse, it refuses."""

    __array_ufunc__ = None  # NumPy's operators give way, and ours refuse

    def __init__(self, held):
        assert isinstance(held, (np.ndarray, np.generic))
        self.held = np.asarray(held)

    def __array__(self, *_):
        raise TypeError("implicit conversion of a device array to NumPy: fetch it")

    def __bool__(self):
        return bool(self.held)  # waits for the device, and is allowed

    def __int__(self):
        return int(self.held)  # likewise

    def __len__(self):
        return len(self.held)

    def __getattr__(self, name):
        if name in ("shape", "dtype", "ndim", "size", "nbytes"):
            return getattr(self.held, name)
        if name in ("sum", "transpose", "astype", "reshape", "max", "min", "any", "all", "copy"):
            return lambda *args, **kwargs: Remote(getattr(self.held, name)(*args, **kwargs))
        raise AttributeError(name)

    def __getitem__(self, key):
        return Remote(self.held[bare(key)])

    def __setitem__(self, key, value):
        self.held[bare(key)] = bare(value)


def bare(value):
    """What a device array holds; a NumPy array among device arrays is refused."""
    if isinstance(value, tuple):
        return tuple(bare(v) for v in value)
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("a NumPy array among device arrays: place it")
    return value.held if isinstance(value, Remote) else value


def _operator(name):
    def apply(self, *others):
        found = getattr(self.held, name)(*(bare(other) for other in others))
        return found if found is NotImplemented else Remote(found)

    return apply


for _name in "add radd sub rsub mul rmul truediv rtruediv lt le gt ge eq and or neg invert".split():
    setattr(Remote, f"__{_name}__", _operator(f"__{_name}__"))


class RemoteLibrary:
    """NumPy's functions for device arrays."""

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def function(*args, **kwargs):
            return Remote(getattr(np, name)(*(bare(a) for a in args), **kwargs))

        return function


class RemoteEngine(NumpyEngine):
    """The NumPy engine behind device arrays."""

    xp = RemoteLibrary()

    def to_numpy(self, a):
        return a.held.copy() if isinstance(a, Remote) else np.asarray(a)

    def to_device(self, a):
        return Remote(np.array(a))

    def new_state(self, program):
        here = NumpyEngine.new_state(_Here(), program)
        return replace(here, **{name: Remote(array) for name, array in here.arrays().items()})

    def advance(self, program, state, active, first, last, meanwhile=None, ring=None):
        here = replace(state, **{name: array.held for name, array in state.arrays().items()})
        if ring is not None:
            vectors = None if ring.vectors is None else ring.vectors.held
            found = {name: a.held for name, a in ring.found.items()}
            ring = replace(ring, places=ring.places.held, found=found, vectors=vectors)
        super().advance(program, here, active.held, first, last, ring=ring)

    def normals(self, program, step, stream, ids):
        return Remote(super().normals(program, step, stream, ids))

    def uniforms(self, program, step, stream, ids):
        return Remote(super().uniforms(program, step, stream, ids))

    def observe(self, program, x, quantities, t, direction=None, point=None, shared=False, rows=None):
        along = None if direction is None else direction.held
        found = super().observe(program, x.held, quantities, t, along, point, shared, rows)
        return {name: Remote(array) for name, array in found.items()}


class _Here(NumpyEngine):
    xp = np


class BusyEngine(RemoteEngine):
    """A device that is at work while the host writes down what was recorded: what is fetched arrives only then."""

    on_host = False

    def fetch(self, arrays):
        return lambda: {name: self.to_numpy(array) for name, array in arrays.items()}

    def advance(self, program, state, active, first, last, meanwhile=None, ring=None):
        super().advance(program, state, active, first, last, ring=ring)
        if meanwhile is not None:
            meanwhile()
