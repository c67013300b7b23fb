"""Texts of a figure, and whether each stands clear of the others."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg


def drawn_texts(figure):
    """Titles, labels, legends, and the tick labels that lie in view."""
    for axes in figure.axes:
        yield from (axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label)
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    yield from (label for label in (tick.label1, tick.label2) if label.get_visible())
    for one in figure.legends:
        yield from one.get_texts()
    if figure._suptitle is not None:
        yield figure._suptitle


def stand_clear(figure):
    """No text overlaps another or leaves the figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    for legend in figure.legends:
        box = legend.get_window_extent(renderer)
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1, "a legend leaves the figure"
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in drawn_texts(figure) if t.get_text()]
    for k, (one, box) in enumerate(boxes):
        for other, against in boxes[:k]:
            assert not box.overlaps(against), f"{one!r} overlaps {other!r}"
        assert 0 <= box.x0 < box.x1 <= figure.bbox.x1, f"{one!r} leaves the figure"
        assert 0 <= box.y0 < box.y1 <= figure.bbox.y1, f"{one!r} leaves the figure"
