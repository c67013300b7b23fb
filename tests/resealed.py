"""Files changed by someone who can make the digest at their end right again."""

from __future__ import annotations

import contextlib
import hashlib

import h5py

SEAL = b"descent-ensemble sha256 "
SEAL_SIZE = len(SEAL) + 65


def seal(content):
    """The bytes of a file with the digest that belongs to them."""
    return content + SEAL + hashlib.sha256(content).hexdigest().encode() + b"\n"


def opened(whole):
    """The bytes of a sealed file without its seal."""
    return whole[:-SEAL_SIZE]


@contextlib.contextmanager
def changed(path):
    """The inside of a file, open to be changed with h5py; then it is sealed again."""
    path.write_bytes(opened(path.read_bytes()))
    with h5py.File(path, "r+") as file:
        yield file
    path.write_bytes(seal(path.read_bytes()))
