"""Loads mutated files one after another: ``mutations.py FOLDER COUNT``; prints how many were refused and how many were read.

It ends with an error where a file raises anything but UnreadableFileError, and a signal ends it where one takes more than 5 s of
the processor's time. What was read is taken one step further.
"""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import json
import random
import signal
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import resealed

import ensemble as en

WILD = (
    None, True, False, 0, -1, 1, 2, 7, 2**31, 2**63, -(2**70), 0.0, -0.5, 1e-320, 1e308, float("nan"), float("inf"), "", "0", "nan",
    "Adam", "os:system", "é" * 300, [], [1, 2], [[]], {}, {"part": "Adam"}, {"grid": []}, {"grid": [1, 2]}, {"part": 3},
)  # fmt: skip


def flipped(whole, rng):
    changed = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def unsealed(whole, rng):
    """Damage."""
    return flipped(whole, rng) if rng.random() < 0.7 else whole[: rng.randrange(len(whole))]


def bytes_sealed(whole, rng):
    """Bytes replaced where HDF5 keeps its structures, or anywhere."""
    content = bytearray(resealed.opened(whole))
    reach = len(content) if rng.random() < 0.3 else 8192
    for _ in range(rng.choice((1, 2, 4, 16))):
        content[rng.randrange(min(reach, len(content)))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return resealed.seal(bytes(content))


def pieces_sealed(whole, rng):
    content = resealed.opened(whole)
    a, b = sorted(rng.randrange(8, len(content)) for _ in range(2))
    b = min(b, a + 512)
    return resealed.seal(
        rng.choice((content[:a] + content[b:], content[:b] + content[a:], content[:a], content + content))
    )


def text_sealed(whole, rng, folder):
    """A text of the settings, options, outcomes or history with one thing replaced, taken out or added."""
    place = folder / "mutated.nc"
    place.write_bytes(whole)
    with resealed.changed(place) as file:
        name = rng.choice(("settings", "settings", "settings", "options", "outcomes", "history", "versions"))
        found = json.loads(file.attrs[name])
        spots = list(inner(found))
        where, key = rng.choice(spots)
        what = rng.random()
        if what < 0.6:
            where[key] = copy.deepcopy(rng.choice(WILD))
        elif what < 0.8:
            del where[key]
        elif isinstance(where, dict):
            where[rng.choice(("part", "grid", "record", "colour", "class"))] = copy.deepcopy(rng.choice(WILD))
        else:
            where.insert(0, copy.deepcopy(rng.choice(WILD)))
        file.attrs[name] = json.dumps(found)
    return place.read_bytes()


def inner(value):
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from inner(value[key])


def arrays_sealed(whole, rng, folder):
    """An array or an attribute replaced by another."""
    place = folder / "mutated.nc"
    place.write_bytes(whole)
    with resealed.changed(place) as file:
        name = rng.choice(list(file))
        if rng.random() < 0.3:
            owner = rng.choice((file, file[name]))
            if len(owner.attrs):
                wild = (0, -1, 1e300, "days since 2000-01-01", "x" * 1000, [1, 2])
                owner.attrs[rng.choice(list(owner.attrs))] = rng.choice(wild)
        else:
            kind = np.dtype(rng.choice(("i1", "i4", "i8", "u8", "f4", "f8", ">f8", "S3")))
            shape = tuple(rng.choice((0, 1, 2, 3, 12)) for _ in range(rng.randrange(4)))
            if rng.random() < 0.5:
                shape = file[name].shape
            del file[name]
            if rng.random() < 0.8:
                file.create_dataset(name, shape, kind, fillvalue=rng.choice((0, 1, 100)) if kind.kind != "S" else None)
    return place.read_bytes()


def further(result):
    """What was read is as good as what simulate returns."""
    reached = max(o.reached for o in result.outcomes.values())
    if reached > 1000:
        return
    with contextlib.suppress(ValueError, RuntimeError):
        result.resume(reached + 1, force=True, progress=False)


def main(folder, count):
    faulthandler.enable()
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
    sources = [path.read_bytes() for path in sorted(folder.glob("*.nc"))]
    kinds = (unsealed, bytes_sealed, bytes_sealed, pieces_sealed, text_sealed, text_sealed, arrays_sealed)
    place, refused, read = folder / "mutated.nc", 0, 0
    for k in range(count):
        rng = random.Random(k)
        whole, kind = sources[k % len(sources)], kinds[k % len(kinds)]
        extra = () if kind in (unsealed, bytes_sealed, pieces_sealed) else (folder,)
        place.write_bytes(kind(whole, rng, *extra))
        print(k, kind.__name__, flush=True)
        signal.setitimer(signal.ITIMER_PROF, 5.0)
        try:
            result = en.load(place)
            read += 1
        except en.UnreadableFileError as error:
            message = str(error)
            assert "\n" not in message and len(message) <= 300, message  # noqa: PT018
            refused += 1
            result = None
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        if result is not None:
            further(result)
    print(refused, read)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
