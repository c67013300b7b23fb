"""``ensemble.source`` and ``python -m ensemble source``: the CUDA C++ of every part, to be read."""

import inspect
import re

import derived_parts
import own_functions
import own_parts
import parts
import pytest

import ensemble as en
from ensemble.__main__ import main
from ensemble.backends import sources
from ensemble.backends.twins import twin_of
from ensemble.backends.written import example

KINDS = [kind for role in ("landscape", "optimizer", "noise", "event") for kind in parts.kinds(role)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_part_of_the_catalogue_shows_its_struct_under_its_docstring(kind, capsys):
    assert main(["source", kind.__name__]) == 0
    text = capsys.readouterr().out
    about = "".join(f"// {line}".rstrip() + "\n" for line in inspect.getdoc(kind).splitlines())
    assert text.startswith(about)
    rest = text.removeprefix(about)
    assert f"struct {kind.__name__} " in rest
    assert rest.count("{") == rest.count("}")
    assert rest.endswith("};\n")
    assert "#include" not in rest
    method = {
        en.FiniteSum: "loss",
        en.Landscape: "gradient(",
        en.Optimizer: "step(",
        en.Noise: "apply(",
        en.Event: "check(",
    }
    assert any(issubclass(kind, base) and name in rest for base, name in method.items())


def test_a_hand_written_struct_is_that_of_the_kernels():
    whole = {path.relative_to(sources.kernels()): path.read_text() for path in sources.kernels().rglob("*.cuh")}
    by_hand = [kind for kind in KINDS if not twin_of(example(kind)).derived]
    assert len(by_hand) > 5  # some cannot be derived
    for kind in by_hand:
        struct = en.source(kind).removeprefix(
            "".join(f"// {d}".rstrip() + "\n" for d in inspect.getdoc(kind).splitlines())
        )
        pieces = [
            piece for piece in re.split(r"(?<=^};\n)", struct, flags=re.MULTILINE) if piece
        ]  # of it and of its base
        assert any(all(piece in text for piece in pieces) for text in whole.values()), kind


def test_parts_of_a_user_s_own_show_what_is_compiled():
    text = en.source(own_functions.valley(a=0.1))
    assert text.startswith("// A curved valley")
    assert text.count("A curved valley") == 1
    assert "number a;" in text
    assert "HD scalar value(const Vec& x, const Now&) const {" in text
    assert en.source(own_functions.valley) == text
    assert "s.m = beta * s.m + gain * gradient(x);" in en.source(derived_parts.SignMomentum(0.1))
    assert own_parts.HeavyBall.kernel.strip() in en.source(own_parts.HeavyBall(0.1))


@pytest.mark.parametrize("given", [en.Constant(0.1), en.Point(1.0), 3, "Adam", en.Cosine, None])
def test_what_no_step_sees_has_no_source(given):
    with pytest.raises(TypeError, match="give a landscape, an optimizer, a noise or an event"):
        en.source(given)


@pytest.mark.parametrize(("given", "said"), [
    (["Adm"], "was given 'Adm'; give a landscape, optimizer, noise or event of 'parts'; did you mean Adam"),
    ([], "was given no name"),
    (["Cosine"], "was given 'Cosine'"),
    (["simulate"], "was given 'simulate'"),
    (["os"], "was given 'os'"),
    (["__builtins__"], "was given '__builtins__'"),
    (["Adam", "Clip"], "was given 'Adam Clip'"),
])  # fmt: skip
def test_a_name_that_is_no_part_is_refused(given, said, capsys):
    assert main(["source", *given]) == 2
    assert said in capsys.readouterr().out.replace("\n", " ")
