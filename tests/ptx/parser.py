"""PTX text as kernels: registers, memory, and blocks of instructions that run from first to last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from .kinds import KINDS, PtxError

SYNCHRONIZING = ("shfl", "vote", "bar", "barrier", "activemask")
"""Opcodes that wait for other threads; each is a block of its own."""
LEAVING = ("bra", "ret", "exit")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_ENTRY = re.compile(
    r"(?:\.visible\s+|\.weak\s+)*\.entry\s+(?P<name>[\w$]+)\s*\((?P<parameters>[^)]*)\)(?P<head>[^{]*)\{"
)
_VARIABLE = re.compile(
    r"(?:\.align\s+(?P<align>\d+)\s+)?\.(?P<kind>[a-z]\d+)\s+(?P<name>[\w$.]+)\s*(?P<sizes>(?:\[\d*\])*)\s*"
    r"(?:=\s*(?P<values>.*))?$",
    re.DOTALL,
)
_ITEM = re.compile(r"\s*(?:(?P<brace>[{}])|(?P<label>[\w$]+):(?!:)|(?P<statement>[^;]+);)")
_REGISTERS = re.compile(r"\.reg\s+\.(\w+)\s+(.*)", re.DOTALL)
_INSTRUCTION = re.compile(
    r"(?:@(?P<negated>!?)(?P<guard>%[\w$]+)\s+)?(?P<opcode>[a-z]\w*)(?P<modifiers>[\w.:]*)\s*(?P<operands>.*)",
    re.DOTALL,
)
_FUNCTION = re.compile(
    r"\.func\s*(?:\((?P<results>[^)]*)\)\s*)?(?P<name>[\w$]+)\s*\((?P<parameters>[^)]*)\)\s*(?:\.\w+\s*)*(?P<begin>[{;])"
)
_CALL = re.compile(
    r"call(?:\.uni)?\s+(?:\((?P<results>[^)]*)\)\s*,\s*)?(?P<name>[\w$]+)\s*(?:,\s*\((?P<given>[^)]*)\))?", re.DOTALL
)
_OWN = re.compile(r"%(?!tid|ntid|ctaid|nctaid|laneid)(?=\w)|\$(?=\w)|\b(?=(?:param|retval)\d+\b)")
"""Where the names begin that are a function's own: registers, labels, and what it hands to others."""
_IGNORED = (".loc", ".pragma", ".file")


@dataclass(frozen=True)
class Instruction:
    """``guard`` is the register of a predicate, or empty; the kinds are the modifiers that are types."""

    opcode: str
    modifiers: tuple[str, ...] = ()
    operands: tuple[str, ...] = ()
    guard: str = ""
    negated: bool = False
    text: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(modifier for modifier in self.modifiers if modifier in KINDS)

    @classmethod
    def of(cls, text: str) -> Instruction:
        match = _INSTRUCTION.fullmatch(text)
        if match is None:
            raise PtxError(f"no instruction: {text}")
        modifiers = tuple(m for m in match["modifiers"].split(".") if m)
        operands = tuple(split(match["operands"]))
        return cls(
            match["opcode"], modifiers, operands, match["guard"] or "", bool(match["negated"]), " ".join(text.split())
        )


@dataclass(frozen=True)
class Variable:
    """A variable in memory; ``values`` as PTX has them."""

    name: str
    kind: str
    count: int
    align: int
    values: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        return self.count * KINDS[self.kind].itemsize

    @classmethod
    def of(cls, text: str) -> Variable:
        match = _VARIABLE.search(text)
        if match is None or match["kind"] not in KINDS:
            raise PtxError(f"no variable: {text}")
        values = tuple(split((match["values"] or "").strip().strip("{}")))
        count = 1
        for size in re.findall(r"\[(\d*)\]", match["sizes"]):
            count *= int(size) if size else len(values)
        align = int(match["align"] or KINDS[match["kind"]].itemsize)
        return cls(match["name"], match["kind"], count, align, values)


@dataclass
class Space:
    """Variables laid out one after another."""

    offsets: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    nbytes: int = 0

    def place(self, variable: Variable) -> None:
        """Of variables with one name, as calls have them, the largest counts."""
        if self.sizes.get(variable.name, -1) < variable.nbytes:
            self.offsets[variable.name] = -(-self.nbytes // variable.align) * variable.align
            self.sizes[variable.name] = variable.nbytes
            self.nbytes = self.offsets[variable.name] + variable.nbytes


@dataclass(frozen=True)
class Function:
    """A function that is called: the names of its results and parameters, which lie in memory, and its text."""

    results: tuple[str, ...]
    parameters: tuple[str, ...]
    body: str

    def written_out(self, site: int, results: list[str], given: list[str]) -> str:
        """The text for one call, its own names apart from all others', which goes on behind it where it returned."""
        text = _OWN.sub(lambda found: f"{found[0]}s{site}_", self.body)
        for formal, actual in zip((*self.results, *self.parameters), (*results, *given), strict=True):
            text = re.sub(rf"(?<![\w$]){re.escape(formal)}(?![\w$])", actual, text)
        return re.sub(r"\bret(?:\.uni)?\s*;", f"bra $end_of_call_{site};", text) + f"\n$end_of_call_{site}:\n"


@dataclass
class Kernel:
    """An entry: what it declares, its blocks, and the block that each label starts."""

    name: str
    most_threads: int = 1024
    registers: dict[str, tuple[int, str]] = field(default_factory=dict)
    parameters: Space = field(default_factory=Space)
    shared: Space = field(default_factory=Space)
    local: Space = field(default_factory=Space)
    globals: dict[str, Variable] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    blocks: list[list[Instruction]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def instructions(self) -> Iterator[Instruction]:
        for block in self.blocks:
            yield from block

    def declare(self, kind: str, names: str) -> None:
        """``%f<12>`` or names one by one."""
        for name in split(names):
            many = re.fullmatch(r"(.*)<(\d+)>", name)
            for each in [f"{many[1]}{k}" for k in range(int(many[2]))] if many else [name]:
                if self.registers.setdefault(each, (len(self.registers), kind))[1] != kind:
                    raise PtxError(f"{self.name}: {each} is declared twice")


@lru_cache(maxsize=16)
def parse(text: str) -> dict[str, Kernel]:
    """The kernels of a PTX module by name; the last ones are kept, and not to be changed."""
    text = _COMMENT.sub("", text.rstrip("\0"))
    entries, rest = _taken(text, _ENTRY)
    bodies, rest = _taken(rest, _FUNCTION)
    outside = [statement.strip() for statement in rest.split(";")]
    functions = {
        found["name"]: Function(_names(found["results"]), _names(found["parameters"]), body)
        for found, body in bodies
        if body
    }
    return {entry["name"]: _kernel(entry, body, outside, functions) for entry, body in entries}


def _taken(text: str, pattern: re.Pattern[str]) -> tuple[list[tuple[re.Match[str], str]], str]:
    """What the pattern finds, with the text in the braces that it ends at, and the rest."""
    found, rest, begin = [], "", 0
    for match in pattern.finditer(text):
        end = _closing(text, match.end() - 1) if match[0].endswith("{") else match.end() - 1
        found.append((match, text[match.end() : end]))
        rest += text[begin : match.start()]
        begin = end + 1
    return found, rest + text[begin:]


def _names(declared: str | None) -> tuple[str, ...]:
    return tuple(Variable.of(each).name for each in split(declared or ""))


def _kernel(entry: re.Match[str], body: str, outside: list[str], functions: dict[str, Function]) -> Kernel:
    kernel = Kernel(entry["name"], functions=functions)
    if bound := re.search(r"\.(?:max|req)ntid\s+(\d+)", entry["head"]):
        kernel.most_threads = int(bound[1])
    for parameter in split(entry["parameters"]):
        kernel.parameters.place(Variable.of(parameter))
    for statement in outside:
        if re.search(r"\.(?:global|const)\b", statement):
            variable = Variable.of(statement)
            kernel.globals[variable.name] = variable
        elif re.search(r"\.shared\b", statement) and (variable := Variable.of(statement)).name in body:
            kernel.shared.place(variable)
    _fill(kernel, body)
    return kernel


def _fill(kernel: Kernel, body: str) -> None:
    """Adds what a kernel's body declares, and its blocks; functions are written out where they are called."""
    fresh, calls, place, text = True, 0, 0, body
    while item := _ITEM.match(text, place):
        place = item.end()
        if item["label"]:
            kernel.labels[item["label"]] = len(kernel.blocks)
            fresh = True
        elif item["statement"]:
            statement = item["statement"].strip()
            if match := _REGISTERS.fullmatch(statement):
                kernel.declare(match[1], match[2])
            elif statement.startswith(".shared"):
                kernel.shared.place(Variable.of(statement))
            elif statement.startswith((".local", ".param")):
                kernel.local.place(Variable.of(statement))
            elif call := _CALL.fullmatch(statement):
                function = kernel.functions.get(call["name"])
                if function is None:
                    raise PtxError(f"not known here: {statement}")
                written = function.written_out(calls, split(call["results"] or ""), split(call["given"] or ""))
                text, place, calls = written + text[place:], 0, calls + 1
            elif not statement.startswith(_IGNORED):
                instruction = Instruction.of(statement)
                alone = instruction.opcode in SYNCHRONIZING
                if fresh or alone:
                    kernel.blocks.append([])
                kernel.blocks[-1].append(instruction)
                fresh = alone or instruction.opcode in LEAVING
    kernel.blocks.append([Instruction("ret", text="ret")])  # the end of the text


def _closing(text: str, opening: int) -> int:
    """Where the brace at ``opening`` is closed."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, opening):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    raise PtxError("a brace is not closed")


def split(text: str) -> list[str]:
    """Operands between commas; those in braces or brackets stay together."""
    return [part.strip() for part in re.split(r",(?![^{\[]*[}\]])", text) if part.strip()]
