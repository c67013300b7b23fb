"""Loads and stores, shuffles and votes, atomic operations, branches and calls do what PTX ISA says of them; and nothing is left unasked."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import pytest

from . import oracle
from .approximate import FUNCTIONS
from .engine import execute
from .kinds import KINDS
from .test_opcodes import BLOCKS, CASES, COUNT, THREADS, WARP, kernel_of, launched

MODES = ("up", "down", "bfly", "idx")


@pytest.mark.parametrize("mode", MODES)
def test_a_shuffle_reads_the_lane_of_the_definition(mode: str) -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(0, 2**32, COUNT, dtype=np.uint32)
    b, segment = rng.integers(0, 32, COUNT // WARP), rng.choice([0, 16, 24, 28, 30], COUNT // WARP)
    c = segment << 8 | (0 if mode == "up" else 31)
    by_thread = [np.repeat(v, WARP).astype(np.uint32) for v in (b, c)]
    text = f"shfl.sync.{mode}.b32 %d|%v, %a, %b, %c, -1;\n@!%v not.b32 %d, %d;"
    found = launched(text, [a, *by_thread], ("u32",) * 3, "u32").reshape(-1, WARP)
    for warp, values in enumerate(a.reshape(-1, WARP).tolist()):
        for lane in range(WARP):
            source, inside = oracle.source_lane(mode, lane, int(b[warp]), int(c[warp]))
            assert found[warp, lane] == (values[source] if inside else values[source] ^ 0xFFFFFFFF), (mode, warp, lane)


def test_votes_and_active_lanes_are_counted_by_warp() -> None:
    asked = np.random.default_rng(2).random(COUNT) < 0.04
    warps = asked.reshape(-1, WARP)
    assert 0 < warps.any(axis=1).sum() < len(warps)
    found = launched("vote.sync.any.pred %d, %a, -1;", [asked], ("pred",), "pred")
    assert (found.reshape(-1, WARP) == warps.any(axis=1)[:, None]).all()
    found = launched("vote.sync.all.pred %d, %a, -1;", [~asked], ("pred",), "pred")
    assert (found.reshape(-1, WARP) == (~warps).all(axis=1)[:, None]).all()
    words = [sum(int(bit) << k for k, bit in enumerate(row)) for row in warps]
    found = launched("vote.sync.ballot.b32 %d, %a, -1;", [asked], ("pred",), "b32")
    assert (found.reshape(-1, WARP) == np.array(words)[:, None]).all()
    active = launched("mov.u32 %d, 0;\n@!%a bra L;\nactivemask.b32 %d;\nL:", [asked], ("pred",), "b32")
    assert (active == np.where(asked, np.repeat(words, WARP), 0)).all()


ATOMIC: dict[str, Callable[[int, int], int]] = {
    "min": min,
    "add": operator.add,
    "max": max,
    "exch": lambda old, x: x,
}


@pytest.mark.parametrize("order", ["", ".relaxed.gpu"])
@pytest.mark.parametrize("name", ATOMIC)
def test_atomic_operations_take_place_one_after_another(name: str, order: str) -> None:
    a = np.random.default_rng(3).integers(0, 1000, COUNT, dtype=np.uint32)
    place = np.full(1, 500, np.uint32)
    where = np.full(COUNT, place.ctypes.data, np.uint64)
    found = np.zeros(COUNT, np.uint32)
    text = kernel_of(f"atom{order}.global.{name}.u32 %d, [%b], %a;", ("u32", "u64"), "u32")
    addresses = np.array([v.ctypes.data for v in (a, where, found)], np.uint64)
    execute(text, "probe", addresses.tobytes(), BLOCKS, THREADS, [a, where, found, place])
    value = 500
    for x, old in zip(a.tolist(), found.tolist()):
        assert old == value
        value = ATOMIC[name](value, x)
    assert place[0] == value


# ---- memory

RECORD = 16
"""Bytes for each thread: the widest access."""
LOADED = ("", ".global", ".global.nc", ".shared", ".local", ".param")
STORED = ("", ".global", ".shared", ".local", ".param")
VECTORS = ("", ".v2", ".v4")
NEAR = {".shared": "%q", ".local": "mine", ".param": "probe_param_3"}
"""Where a thread takes a record from in :func:`moved`, of memory that is not global."""
LIKE = {2: "u16", 4: "u32", 8: "u64"}


def kinds_of(vector: str) -> list[str]:
    """What may be moved so many at a time: 16 bytes at most."""
    whole = {kind: int(vector[2:] or 1) * dtype.itemsize for kind, dtype in KINDS.items() if dtype.itemsize > 1}
    return [kind for kind, nbytes in whole.items() if nbytes <= RECORD]


LOADS = {f"ld{s}{v}.{kind}" for s in LOADED for v in VECTORS for kind in kinds_of(v)}
STORES = {f"st{s}{v}.{kind}" for s in STORED for v in VECTORS for kind in kinds_of(v)}


def copies(source: str, to: str, nbytes: int) -> list[str]:
    """PTX that copies so many bytes, one by one. ``source``, ``to``: a space and a register."""
    (a, at), (b, into) = source.split(), to.split()
    return [line for k in range(nbytes) for line in (f"ld{a}.u8 %h, [{at}+{k}];", f"st{b}.u8 [{into}+{k}], %h;")]


def moved(instruction: str, space: str, vector: str, kind: str, records: np.ndarray, index: np.ndarray) -> np.ndarray:
    """What arrives, (threads, 16) bytes, where an instruction moves each thread's record, by way of a space.

    ``index``: whose record a thread loads, or the place where it stores its own; of shared memory whose record it takes.
    """
    count, item = int(vector[2:] or 1), KINDS[kind].itemsize
    nbytes, names = count * item, [f"%x{k}" for k in range(count)]
    operand = f"{{{', '.join(names)}}}" if count > 1 else names[0]
    if instruction == "ld":
        filled = {".shared": "%m", ".local": "mine"}
        body = copies(".global %a", f"{space} {filled[space]}", nbytes) if space in filled else []
        body += ["bar.sync 0;", f"ld{space}{vector}.{kind} {operand}, [{NEAR.get(space, '%f')}];"]
        body += [f"st.global.{LIKE[item]} [%o+{k * item}], {name};" for k, name in enumerate(names)]
    else:
        body = [f"ld.global.{LIKE[item]} {name}, [%a+{k * item}];" for k, name in enumerate(names)]
        to = {".shared": "%m", ".local": "mine", ".param": "param0"}
        body += [f"st{space}{vector}.{kind} [{to.get(space, '%g')}], {operand};", "bar.sync 0;"]
        body += copies(f"{space} {(NEAR | {'.param': 'param0'})[space]}", ".global %o", nbytes) if space in to else []
    lines = [
        ".version 8.0", ".target sm_90", ".address_size 64",
        ".visible .entry probe(.param .u64 probe_param_0, .param .u64 probe_param_1, .param .u64 probe_param_2,",
        f".param .align 16 .b8 probe_param_3[{RECORD}])", "{",
        ".reg .b32 %t, %i, %n, %w;", ".reg .b64 %a, %o, %f, %g, %m, %q;", ".reg .b16 %h;", f".reg .{kind} %x<4>;",
        f".shared .align 16 .b8 held[{RECORD * THREADS}];", f".local .align 16 .b8 mine[{RECORD}];",
        f".param .align 16 .b8 param0[{RECORD}];",
        "mov.u32 %i, %tid.x;", "mov.u32 %t, %ctaid.x;", "mov.u32 %n, %ntid.x;", "mad.lo.s32 %t, %t, %n, %i;",
        "ld.param.u64 %q, [probe_param_2];", "mad.wide.u32 %q, %t, 4, %q;", "ld.global.u32 %w, [%q];",  # the index
        "ld.param.u64 %q, [probe_param_0];", "mad.wide.u32 %a, %t, 16, %q;", "mad.wide.u32 %f, %w, 16, %q;",
        "ld.param.u64 %q, [probe_param_1];", "mad.wide.u32 %o, %t, 16, %q;", "mad.wide.u32 %g, %w, 16, %q;",
        "mov.u64 %q, held;", "mad.wide.u32 %m, %i, 16, %q;", "rem.u32 %w, %w, %n;", "mad.wide.u32 %q, %w, 16, %q;",
        *body, "ret;", "}",
    ]  # fmt: skip
    out = np.zeros_like(records)
    arrays = [records, out, index]
    given = np.array([a.ctypes.data for a in arrays], np.uint64).tobytes()
    padding = b"\0" * (-len(given) % RECORD)
    execute("\n".join(lines), "probe", given + padding + records[0].tobytes(), BLOCKS, THREADS, arrays)
    return out


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("space", LOADED)
def test_a_load_takes_the_bytes_from_where_they_lie(space: str, vector: str) -> None:
    rng = np.random.default_rng(5)
    records = rng.integers(0, 256, (COUNT, RECORD), dtype=np.uint8)
    index = np.concatenate([b * THREADS + rng.permutation(THREADS) for b in range(BLOCKS)]).astype(np.uint32)
    whose = {".local": np.arange(COUNT), ".param": np.zeros(COUNT, int)}.get(space, index)
    for kind in kinds_of(vector):
        nbytes = int(vector[2:] or 1) * KINDS[kind].itemsize
        found = moved("ld", space, vector, kind, records, index)
        assert (found[:, :nbytes] == records[whose, :nbytes]).all(), kind
        assert not found[:, nbytes:].any()


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("space", STORED)
def test_a_store_puts_the_bytes_where_they_belong(space: str, vector: str) -> None:
    rng = np.random.default_rng(6)
    records = rng.integers(0, 256, (COUNT, RECORD), dtype=np.uint8)
    index = np.concatenate([b * THREADS + rng.permutation(THREADS) for b in range(BLOCKS)]).astype(np.uint32)
    for kind in kinds_of(vector):
        nbytes = int(vector[2:] or 1) * KINDS[kind].itemsize
        found = moved("st", space, vector, kind, records, index)
        expected = np.zeros_like(records)
        if space in (".local", ".param"):
            expected[:, :nbytes] = records[:, :nbytes]
        elif space == ".shared":
            expected[:, :nbytes] = records[index, :nbytes]
        else:
            expected[index, :nbytes] = records[:, :nbytes]
        assert (found == expected).all(), kind


def test_generic_addresses_of_global_and_local_memory_lead_there() -> None:
    """A number goes to local memory by its own address, comes back by the generic one, and the other way round."""
    text = """
    { .local .align 8 .b8 mine[8]; .reg .b64 %l, %g;
    mov.u64 %l, mine; cvta.local.u64 %g, %l; st.local.u32 [%l], %a; ld.u32 %d, [%g];
    st.u32 [%g+4], %b; cvta.to.local.u64 %l, %g; ld.local.u32 %c, [%l+4]; add.u32 %d, %d, %c;
    ld.param.u64 %g, [probe_param_2]; cvta.to.global.u64 %l, %g; mad.wide.u32 %l, %t, 4, %l; ld.global.u32 %c, [%l];
    cvta.global.u64 %g, %l; ld.u32 %e, [%g]; xor.b32 %c, %c, %e; add.u32 %d, %d, %c; }
    """
    operands = [np.random.default_rng(9).integers(0, 2**32, COUNT, dtype=np.uint32) for _ in range(4)]
    assert (launched(text, operands, ("u32",) * 4, "u32") == operands[0] + operands[1]).all()


# ---- where instructions go on


def test_branches_go_where_their_predicate_says_and_meet_again() -> None:
    """Collatz' steps to 1, each thread its own number of turns; the sum over a warp after them needs all of its lanes."""
    text = """
    mov.u32 %d, 0;
    setp.lt.u32 %v, %a, 2;
    @%v bra DONE;
    bra.uni TURN;
    TURN: and.b32 %c, %a, 1; setp.eq.b32 %v, %c, 0; @!%v bra ODD;
    shr.u32 %a, %a, 1; bra.uni NEXT;
    ODD: mad.lo.s32 %a, %a, 3, 1;
    NEXT: add.u32 %d, %d, 1; setp.ne.b32 %v, %a, 1; @%v bra TURN;
    DONE: shfl.sync.bfly.b32 %c, %d, 1, 31, -1;
    add.u32 %d, %d, %c;
    """
    a = np.random.default_rng(7).integers(0, 200, COUNT, dtype=np.uint32)
    found = launched(text, [a, a, a], ("u32",) * 3, "u32")

    def turns(n: int) -> int:
        count = 0
        while n > 1:
            n, count = (3 * n + 1 if n % 2 else n // 2), count + 1
        return count

    each = np.array([turns(n) for n in a.tolist()])
    assert (found == each + each[np.arange(COUNT) ^ 1]).all()


def test_a_function_that_is_called_gives_its_result_wherever_it_returns() -> None:
    function = """
    .func (.param .b32 func_retval0) larger(.param .b32 larger_param_0, .param .b32 larger_param_1)
    {
    .reg .pred %p<2>; .reg .b32 %r<3>;
    ld.param.u32 %r1, [larger_param_0]; ld.param.u32 %r2, [larger_param_1];
    setp.gt.u32 %p1, %r1, %r2;
    @%p1 bra $L1;
    st.param.b32 [func_retval0], %r2;
    ret;
    $L1: st.param.b32 [func_retval0], %r1;
    ret;
    }
    """
    call = """
    { .param .b32 param0; .param .b32 param1; .param .b32 retval0;
    st.param.b32 [param0], %X; st.param.b32 [param1], %Y;
    call.uni (retval0), larger, (param0, param1); ld.param.b32 %d, [retval0]; }
    """
    text = call.replace("%X", "%a").replace("%Y", "%b") + call.replace("%X", "%d").replace("%Y", "%c")
    rng = np.random.default_rng(8)
    operands = [rng.integers(0, 2**32, COUNT, dtype=np.uint32) for _ in range(3)]
    whole = kernel_of(text, ("u32",) * 3, "u32").replace(".visible", function + ".visible", 1)
    found = np.zeros(COUNT, np.uint32)
    addresses = np.array([v.ctypes.data for v in (*operands, found)], np.uint64)
    execute(whole, "probe", addresses.tobytes(), BLOCKS, THREADS, [*operands, found])
    assert (found == np.max(operands, axis=0)).all()


ASKED = (
    CASES.keys()
    | {f"{name}.approx.ftz.f32" for name in FUNCTIONS}
    | {f"shfl.sync.{mode}.b32" for mode in MODES}
    | {"vote.sync.any.pred", "vote.sync.all.pred", "vote.sync.ballot.b32", "activemask.b32"}
    | {f"atom{order}.global.{name}.u32" for name in ATOMIC for order in ("", ".relaxed.gpu")}
    | LOADS
    | STORES
    | {"bra", "bra.uni", "ret"}
    | {"bar.sync", "bar.warp.sync"}  # test_a_barrier_orders_what_lies_on_its_two_sides
    | {f"cvta{to}.{space}.u64" for to in ("", ".to") for space in ("global", "local")}
    | {"nanosleep.u32"}  # nothing that a result shows
)
"""The instructions that some test asks for what PTX ISA says of them, by their full names."""
