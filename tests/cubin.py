"""Compile a kernel without a GPU and count what one iteration of its step loop costs.

``compile_cubin`` runs NVRTC, ``report`` reads the machine code back. The counting rule, in full:

* The control flow graph comes from the text of ``nvdisasm`` (its JSON leaves out the targets of indirect branches).
  A ``CALL`` falls through to the instruction after it, ``BSYNC`` goes where its ``BSSY`` said.
* Loops are the natural loops of that graph (dominators, back edges; back edges to one header are one loop). A block
  that leaves the loop and cannot come back, such as an early exit, is therefore no part of it.
* The step loop is the outermost loop of the nest that holds the most special functions (``MUFU``) and wide multiplies
  (``IMAD.WIDE``, ``IMAD.HI``: Philox); ties go to floating-point work, then to length. ``depth=1`` goes one level in.
* Rare blocks are left out, each only where some path round the loop avoids it: a block with a ``CALL`` (the slow path
  of a division or root), the target of ``BRA.DIV`` (a warp that is not converged), a block placed behind the loop and
  an unconditional ``EXIT`` (out of line), and a block that holds one of the opcodes the caller names in ``cold``. The
  compiler often keeps an unlikely branch in line, where nothing tells it from a likely one: name its store, say
  ``cold=("STG",)``.
* Of what is left, ``step`` is the heaviest path from the header back to it: of two arms the longer counts, a skipped
  body counts. ``shortest`` is the lightest such path; the two differ exactly where branches of unlike length remain.
* An instruction whose predicate is off still takes its issue slot and counts. A loop inside the step loop counts as one
  trip over all its blocks (``inner_loops`` says how many there are); a loop unrolled away needs no such care.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ensemble.backends.libraries import cache_folder

CUPY_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")  # CuPy 14 adds both to every compilation
HOUSE_OPTIONS = ("--fmad=false", "-std=c++17")
RESERVED_SHARED = 1024  # bytes per block that sm_90 and later set aside for the system and count as the kernel's


class CompilationError(RuntimeError):
    """NVRTC refused the source; the message is its log."""


# ---------------------------------------------------------------------------------------------------------- compilation


def compile_cubin(
    source: str,
    include: Path,
    arch: str = "sm_90",
    options: Sequence[str] = (),
    names: Sequence[str] = (),
) -> bytes:
    """Machine code of ``source`` for ``arch``, with the options CuPy would add and those of this project.

    ``options`` come last and so win over the defaults; ``names`` are name expressions (``"advance<Adam>"``) to
    instantiate. Raises ``CompilationError`` with the log of the compiler, ``RuntimeError`` if NVRTC is not installed.
    """
    flags = [f"--gpu-architecture={arch}", *CUPY_OPTIONS, *HOUSE_OPTIONS, f"-I{include}", *options]
    return _compiled(source, flags, "CUBIN", names)


def compile_ptx(source: str, include: Path, arch: str = "compute_90", options: Sequence[str] = ()) -> str:
    """PTX of ``source``, compiled as above and kept in the cache folder: programs name the digest of what they include.

    Raises ``CompilationError`` with the log of the compiler, ``RuntimeError`` if NVRTC is not installed.
    """
    flags = [f"--gpu-architecture={arch}", *CUPY_OPTIONS, *HOUSE_OPTIONS, *options]
    return kept_ptx(source, flags, [f"-I{include}"])


def kept_ptx(source: str, flags: Sequence[str], include: Sequence[str] = ()) -> str:
    """PTX of a source that names the digest of what it includes; ``include`` says where that lies."""
    key = "\0".join([source, *flags, *map(str, nvrtc_version())])
    folder = cache_folder() / "ptx"
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.ptx"
    if not path.is_file():
        text = _compiled(source, [*flags, *include], "PTX")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(text)
        os.replace(file.name, path)
    return path.read_text().rstrip("\0")


def nvrtc_version() -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(_nvrtc(), _nvrtc().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


def architectures() -> list[int]:
    """The compute capabilities, times ten, that this NVRTC compiles for."""
    count = ctypes.c_int()
    _check(_nvrtc(), _nvrtc().nvrtcGetNumSupportedArchs(ctypes.byref(count)))
    found = (ctypes.c_int * count.value)()
    _check(_nvrtc(), _nvrtc().nvrtcGetSupportedArchs(found))
    return sorted(found)


def _compiled(source: str, flags: Sequence[str], what: str, names: Sequence[str] = ()) -> bytes:
    """``CUBIN`` or ``PTX`` of a source."""
    nvrtc = _nvrtc()
    program = ctypes.c_void_p()
    _check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None))
    try:
        for name in names:
            _check(nvrtc, nvrtc.nvrtcAddNameExpression(program, name.encode()))
        array = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
        status = nvrtc.nvrtcCompileProgram(program, len(flags), array)
        if status != 0:
            log = _fetch(nvrtc, program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip()
            raise CompilationError(f"NVRTC, {' '.join(flags)}: {_error(nvrtc, status)}\n{log}")
        return _fetch(nvrtc, program, what)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _fetch(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def _error(nvrtc: ctypes.CDLL, status: int) -> str:
    return str(nvrtc.nvrtcGetErrorString(status).decode())


def _check(nvrtc: ctypes.CDLL, status: int) -> None:
    if status != 0:
        raise CompilationError(f"NVRTC: {_error(nvrtc, status)}")


@functools.cache
def _nvrtc() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_wheel_file("lib/libnvrtc.so.[0-9]*", "nvidia-cuda-nvrtc")))
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return library


@functools.cache
def _wheel_file(pattern: str, wheel: str) -> Path:
    """The file of an NVIDIA wheel: in ``nvidia/cu13/`` or, before CUDA 13, in ``nvidia/<part>/``; else on PATH."""
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else None
    found = [path for folder in folders or () for path in sorted(Path(folder).glob(f"*/{pattern}"))]
    if found:
        return found[-1]
    command = shutil.which(Path(pattern).name)
    if command is None:
        raise RuntimeError(f"{Path(pattern).name} not found: pip install {wheel}")
    return Path(command)


@functools.lru_cache(maxsize=4)
def _tool(name: str, *arguments: str, cubin: bytes) -> str:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [str(_wheel_file(f"bin/{name}", f"nvidia-cuda-{name}")), *arguments, file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{name} could not read the cubin: {done.stderr.strip()}")
    return done.stdout


# --------------------------------------------------------------------------------------------------------- instructions


@dataclass(frozen=True)
class Instruction:
    """One machine instruction: its byte offset, predicate (``"@!P0"`` or empty), opcode and operands as text."""

    offset: int
    predicate: str
    opcode: str
    operands: str

    @property
    def base(self) -> str:
        """The opcode without modifiers."""
        return self.opcode.partition(".")[0]

    @property
    def conditional(self) -> bool:
        """Whether a branch may also fall through; ``BRA P1, target`` may and has no predicate in front."""
        operands = [operand.strip() for operand in self.operands.split(",")]
        return bool(self.predicate) or any(operand not in ("PT", "UPT") for operand in operands[:-1])

    def __str__(self) -> str:
        """One line of a listing."""
        return f"{self.offset:04x} {self.predicate:>5} {self.opcode} {self.operands}".rstrip()


FLOATING = ("FFMA", "FMUL", "FADD", "FFMA2", "FMUL2", "FADD2", "FFMA32I", "FMUL32I", "FADD32I")
MEMORY = ("LDG", "STG", "LDS", "STS", "LDC", "LD", "ST", "LDGSTS", "LDSM", "ATOM", "ATOMG", "ATOMS", "RED", "REDG")
BRANCH = ("BRA", "BRX", "JMP", "JMX", "CALL", "RET", "EXIT", "KILL", "BPT", "NANOSLEEP", "YIELD")
CONVERGENCE = ("BSSY", "BSYNC", "BREAK", "BMOV", "WARPSYNC", "ENDCOLLECTIVE")
# Moves, shifts and sums the compiler sends through the multiplier to balance the pipes.
DRESSED = ("IMAD.MOV", "IMAD.SHL", "IMAD.IADD")


def category(opcode: str) -> str:
    """The field of ``Mix`` an opcode counts in."""
    base = opcode.partition(".")[0]
    if base == "IMAD" and not opcode.startswith(DRESSED):
        return "wide_multiply" if opcode.startswith(("IMAD.WIDE", "IMAD.HI")) else "multiply"
    families = {
        "special": ("MUFU",),
        "floating": FLOATING,
        "double": ("DFMA", "DMUL", "DADD"),
        "logic": ("LOP3",),
        "shuffle": ("SHFL",),
        "memory": MEMORY,
        "local": ("LDL", "STL"),
        "barrier": ("BAR",),
        "branch": BRANCH + CONVERGENCE,
    }
    for name, family in families.items():
        if base in family:
            return name
    # The uniform datapath: one operation per warp, but an issue slot like any other.
    return "uniform" if base.startswith("U") or base in ("R2UR", "S2UR", "LDCU") else "other"


@dataclass(frozen=True)
class Mix:
    """How many instructions of each kind; ``opcodes`` has them one by one (``"IMAD.WIDE"`` apart from ``"IMAD"``)."""

    total: int = 0
    special: int = 0
    wide_multiply: int = 0
    multiply: int = 0
    floating: int = 0
    double: int = 0
    logic: int = 0
    shuffle: int = 0
    memory: int = 0
    local: int = 0
    barrier: int = 0
    branch: int = 0
    uniform: int = 0
    other: int = 0
    opcodes: Mapping[str, int] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, instructions: Iterable[Instruction]) -> Mix:
        """Count them."""
        listed = list(instructions)
        kinds = Counter(category(instruction.opcode) for instruction in listed)
        opcodes = Counter(
            ".".join(instruction.opcode.split(".")[: 2 if instruction.base in ("IMAD", "MUFU") else 1])
            for instruction in listed
        )
        return cls(total=len(listed), opcodes=dict(opcodes.most_common()), **kinds)


_LINE = re.compile(
    r"^\s+/\*(?P<offset>[0-9a-f]{4,})\*/\s+(?:(?P<predicate>@!?U?P\w+)\s+)?(?P<opcode>[A-Z]\w*(?:\.\w+)*)"
)
_LABEL = re.compile(r"^(?P<label>[.$\w]+):\s*$")
_TARGET = re.compile(r"`\((?P<label>[^)]+)\)")
_INDIRECT = re.compile(r"BRANCH_TARGETS (?P<labels>[^\"]*)\"")


def _sections(text: str) -> dict[str, tuple[list[Instruction], dict[str, int]]]:
    """For each function of a disassembly its instructions and the offset of each label."""
    sections: dict[str, tuple[list[Instruction], dict[str, int]]] = {}
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    pending: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith(".section"):
            name = line.split()[1].partition(",")[0]
            if name.startswith(".text."):
                instructions, labels, pending = [], {}, []
                sections[name.removeprefix(".text.")] = (instructions, labels)
        elif match := _LINE.match(line):
            offset = int(match["offset"], 16)
            labels.update(dict.fromkeys(pending, offset))
            pending.clear()
            operands = line[match.end() :].strip().removesuffix(";").strip()
            instructions.append(Instruction(offset, match["predicate"] or "", match["opcode"], operands))
        elif match := _LABEL.match(line):
            pending.append(match["label"])
    return {name: (_trimmed(listed, known), known) for name, (listed, known) in sections.items()}


def _trimmed(instructions: list[Instruction], labels: Mapping[str, int]) -> list[Instruction]:
    """Without the padding behind the last instruction: ``NOP`` and one branch to itself."""
    end = len(instructions)
    while end and instructions[end - 1].opcode == "NOP":
        end -= 1
    if (
        end
        and instructions[end - 1].opcode == "BRA"
        and _targets(instructions[end - 1], labels) == [instructions[end - 1].offset]
    ):
        end -= 1
    return instructions[:end]


def _targets(instruction: Instruction, labels: Mapping[str, int]) -> list[int]:
    if match := _INDIRECT.search(instruction.operands):
        return [labels[label.strip()] for label in match["labels"].split(",")]
    return [labels[match["label"]] for match in _TARGET.finditer(instruction.operands)]


# --------------------------------------------------------------------------------------------------------- control flow


@dataclass(frozen=True)
class _Block:
    """A run of instructions entered at its first only, with the indices of the blocks that may follow."""

    instructions: tuple[Instruction, ...]
    successors: frozenset[int]
    divergent: frozenset[int]  # successors reached by BRA.DIV alone: the warp was not converged
    exits: bool  # ends in an unconditional EXIT

    @property
    def weight(self) -> int:
        return len(self.instructions)


def _blocks(instructions: Sequence[Instruction], labels: Mapping[str, int]) -> list[_Block]:
    """The control flow graph; block 0 is the entry."""
    rejoin: dict[str, set[int]] = {}
    for instruction in instructions:
        if instruction.base == "BSSY":
            barrier = instruction.operands.partition(",")[0].strip()
            rejoin.setdefault(barrier, set()).update(_targets(instruction, labels))

    def flow(index: int) -> tuple[list[int], bool]:
        """Offsets an instruction may jump to, and whether the next one may follow it."""
        instruction = instructions[index]
        base = instruction.base
        if base in ("BRA", "JMP"):
            return _targets(instruction, labels), instruction.conditional
        if base in ("BRX", "JMX"):
            targets = _targets(instruction, labels)
            if not targets:
                raise ValueError(f"indirect branch without listed targets: {instruction}")
            return targets, bool(instruction.predicate)
        if base in ("EXIT", "RET", "KILL"):
            return [], instruction.conditional if base == "EXIT" else bool(instruction.predicate)
        if base == "BSYNC":
            targets = sorted(rejoin.get(instruction.operands.strip(), ()))
            following = instructions[index + 1].offset if index + 1 < len(instructions) else -1
            if not targets or following in targets:
                return [], True
            return targets, bool(instruction.predicate)
        return [], True

    flows = [flow(index) for index in range(len(instructions))]
    position = {instruction.offset: index for index, instruction in enumerate(instructions)}
    leaders = {0, *(position[label] for label in labels.values() if label in position)}
    for index, (targets, follows) in enumerate(flows):
        leaders.update(position[target] for target in targets)
        if targets or not follows:
            leaders.add(index + 1)
    starts = sorted(leader for leader in leaders if leader < len(instructions))
    number = {start: block for block, start in enumerate(starts)}

    blocks = []
    for block, start in enumerate(starts):
        end = starts[block + 1] if block + 1 < len(starts) else len(instructions)
        targets, follows = flows[end - 1]
        last = instructions[end - 1]
        jumps = frozenset(number[position[target]] for target in targets)
        falls = frozenset({block + 1} if follows and block + 1 < len(starts) else ())
        divergent = jumps - falls if last.opcode.startswith("BRA.DIV") else frozenset()
        blocks.append(
            _Block(tuple(instructions[start:end]), jumps | falls, divergent, last.base == "EXIT" and not follows)
        )
    return blocks


def _reachable(start: Iterable[int], successors: Callable[[int], Iterable[int]]) -> set[int]:
    seen: set[int] = set()
    waiting = list(start)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(successors(node))
    return seen


@dataclass(frozen=True)
class _NaturalLoop:
    header: int
    latches: frozenset[int]
    body: frozenset[int]


def _natural_loops(blocks: Sequence[_Block]) -> list[_NaturalLoop]:
    live = sorted(_reachable([0], lambda node: blocks[node].successors))
    predecessors: dict[int, list[int]] = {node: [] for node in live}
    for node in live:
        for successor in blocks[node].successors:
            predecessors[successor].append(node)
    everything = sum(1 << node for node in live)
    dominators = dict.fromkeys(live, everything)  # bit sets
    dominators[0] = 1
    changed = True
    while changed:
        changed = False
        for node in live[1:]:
            common = everything
            for predecessor in predecessors[node]:
                common &= dominators[predecessor]
            changed |= dominators[node] != (common | 1 << node)
            dominators[node] = common | 1 << node
    latches: dict[int, set[int]] = {}
    for node in live:
        for successor in blocks[node].successors:
            if dominators[node] >> successor & 1:
                latches.setdefault(successor, set()).add(node)

    def loop(header: int, ends: set[int]) -> _NaturalLoop:
        body = _reachable(ends, lambda node: () if node == header else predecessors[node]) | {header}
        return _NaturalLoop(header, frozenset(ends), frozenset(body))

    return [loop(header, ends) for header, ends in sorted(latches.items())]


def _step_loop(blocks: Sequence[_Block], loops: Sequence[_NaturalLoop], depth: int) -> _NaturalLoop | None:
    def work(loop: _NaturalLoop) -> tuple[int, int, int]:
        mix = Mix.of(instruction for node in loop.body for instruction in blocks[node].instructions)
        return mix.special + mix.wide_multiply, mix.floating + mix.double, mix.total

    chosen: _NaturalLoop | None = None
    for level in range(depth + 1):
        inside = [loop for loop in loops if chosen is None or loop.body < chosen.body]
        outermost = [loop for loop in inside if not any(loop.body < other.body for other in inside)]
        if not outermost:
            if level == 0:
                return None
            raise ValueError(f"depth={depth} given, but loops are nested only {level} deep here")
        chosen = max(outermost, key=work)
    return chosen


@dataclass(frozen=True)
class _Path:
    heaviest: tuple[int, ...]  # blocks in order of address
    shortest: int  # instructions on the lightest path
    cold: int  # instructions of the loop left out as rare


def _hot_path(blocks: Sequence[_Block], loop: _NaturalLoop, cold: Sequence[str]) -> _Path:
    """The heaviest path round the loop once the rare blocks are gone (rule in the docstring of the module)."""

    def onward(node: int) -> set[int]:
        block = blocks[node]
        return set((block.successors - block.divergent) & loop.body - {loop.header} - removed)

    def turns(hidden: set[int]) -> bool:
        reached = _reachable([loop.header], lambda node: onward(node) - hidden)
        return bool(reached & loop.latches)

    def rare(node: int) -> bool:
        return any(blocks[other].exits for other in range(min(loop.latches), node)) or any(
            instruction.base == "CALL" or instruction.opcode.startswith(tuple(cold))
            for instruction in blocks[node].instructions
        )

    removed: set[int] = set()
    for node in sorted(loop.body - {loop.header}):
        if rare(node) and turns({node}):
            removed.add(node)
    reached = _reachable([loop.header], onward)
    ahead = {node: _reachable([node], onward) for node in reached}
    kept = {node for node in reached if ahead[node] & loop.latches}
    # Blocks that reach each other form an inner loop and are passed together.
    together = {node: frozenset(other for other in ahead[node] & kept if node in ahead[other]) for node in kept}
    weight = {group: sum(blocks[node].weight for node in group) for group in set(together.values())}

    best: dict[frozenset[int], tuple[int, tuple[int, ...]]] = {}
    least: dict[frozenset[int], int] = {}
    for group in sorted(weight, key=lambda group: len(ahead[min(group)] & kept)):  # fewer ahead = later
        after = {together[other] for node in group for other in onward(node) & kept} - {group}
        ends = [(0, ())] if group & loop.latches else []
        tails = [best[other] for other in after] + ends
        best[group] = max((weight[group] + total, (*group, *path)) for total, path in tails)
        least[group] = weight[group] + min([least[other] for other in after] + [0 for _ in ends])
    start = together[loop.header]
    return _Path(
        heaviest=tuple(sorted(best[start][1])),
        shortest=least[start],
        cold=sum(blocks[node].weight for node in loop.body - kept),
    )


# --------------------------------------------------------------------------------------------------------------- report


@dataclass(frozen=True)
class Report:
    """What a kernel takes from the machine, and what one iteration of its step loop executes.

    ``registers`` per thread; ``local_memory`` bytes per thread (stack frame: spills and arrays that found no place in
    registers); ``spill_stores`` and ``spill_loads`` bytes written and read by the ``STL`` and ``LDL`` instructions,
    each counted once (local arrays included); ``shared_memory`` static bytes per block, without the system's share;
    ``instructions`` in the whole function with its slow paths, without padding.

    ``step`` is the hot path of one iteration and ``shortest`` the length of the lightest one; ``loop`` is every block
    of the step loop, of which ``cold`` instructions were left out as rare. ``loops`` counts all loops of the function,
    ``inner_loops`` those inside the step loop. All of these are zero in a function without loops.
    """

    function: str
    registers: int
    local_memory: int
    spill_stores: int
    spill_loads: int
    shared_memory: int
    instructions: int
    step: Mix
    shortest: int
    loop: Mix
    cold: int
    loops: int
    inner_loops: int
    path: tuple[Instruction, ...] = field(repr=False)

    @property
    def listing(self) -> str:
        """The instructions ``step`` counts, one a line."""
        return "\n".join(map(str, self.path))


def functions(cubin: bytes) -> tuple[str, ...]:
    """The (mangled) names of the kernels in a cubin."""
    return tuple(_usage(cubin))


def report(cubin: bytes, function: str = "advance", cold: Sequence[str] = (), depth: int = 0) -> Report:
    """Resources and instruction counts of one kernel.

    ``function`` is its symbol or, where only one instantiation matches, the name of the template. ``cold`` names
    opcodes (by their beginning: ``"STG"``) whose blocks are rare; ``depth`` goes that many levels inside the outermost
    loop.
    """
    usage = _usage(cubin)
    symbol = _symbol(function, tuple(usage))
    sections = _sections(_tool("nvdisasm", "-c", cubin=cubin))
    instructions, labels = sections[symbol]
    blocks = _blocks(instructions, labels)
    loops = _natural_loops(blocks)
    chosen = _step_loop(blocks, loops, depth)
    path = _hot_path(blocks, chosen, cold) if chosen else _Path((), 0, 0)
    hot = tuple(instruction for node in path.heaviest for instruction in blocks[node].instructions)
    body = sorted(chosen.body) if chosen else []
    return Report(
        function=symbol,
        registers=usage[symbol]["REG"],
        local_memory=usage[symbol]["STACK"] + usage[symbol]["LOCAL"],
        spill_stores=_local_bytes(instructions, "STL"),
        spill_loads=_local_bytes(instructions, "LDL"),
        shared_memory=usage[symbol]["SHARED"],
        instructions=len(instructions),
        step=Mix.of(hot),
        shortest=path.shortest,
        loop=Mix.of(instruction for node in body for instruction in blocks[node].instructions),
        cold=path.cold,
        loops=len(loops),
        inner_loops=sum(loop.body < chosen.body for loop in loops) if chosen else 0,
        path=hot,
    )


def instructions_per_coordinate(report: Report, coordinates_per_lane: int) -> float:
    """Instructions one lane executes per coordinate and step."""
    if not report.step.total:
        raise ValueError(f"{report.function} has no loop to count: give the report of a kernel with a step loop")
    if coordinates_per_lane < 1:
        raise ValueError(f"coordinates_per_lane={coordinates_per_lane} given: give 1 or more")
    return report.step.total / coordinates_per_lane


def _local_bytes(instructions: Iterable[Instruction], base: str) -> int:
    total = 0
    for instruction in instructions:
        if instruction.base == base:
            width = re.search(r"\.[US]?(8|16|32|64|128)\b", instruction.opcode)
            total += int(width[1]) // 8 if width else 4
    return total


def _usage(cubin: bytes) -> dict[str, dict[str, int]]:
    text = _tool("cuobjdump", "-res-usage", cubin=cubin)
    found = re.findall(r"Function (\S+):\s+(REG:.*)", text)
    usage = {name: {key: int(value) for key, value in re.findall(r"(\w+):(\d+)", line)} for name, line in found}
    architecture = re.search(r"^\s*\.target\s+sm_(\d+)", _tool("nvdisasm", "-c", cubin=cubin), re.MULTILINE)
    if architecture and int(architecture[1]) >= 90:
        for row in usage.values():
            row["SHARED"] -= RESERVED_SHARED if row["SHARED"] >= RESERVED_SHARED else 0
    return usage


def _symbol(function: str, symbols: Sequence[str]) -> str:
    if function in symbols:
        return function
    found = [symbol for symbol in symbols if symbol.startswith("_Z") and f"{len(function)}{function}" in symbol]
    if len(found) == 1:
        return found[0]
    problem = f"matches {len(found)} kernels, give one symbol" if found else "is not here"
    raise ValueError(f"function={function!r} {problem}: this cubin holds {', '.join(symbols) or 'no kernel'}")
