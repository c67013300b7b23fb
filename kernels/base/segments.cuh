// Sums over some of the coordinates, first ... last - 1, as if all others were 0: the same tree, of which only the blocks that
// they touch are gone through. Rows of weights in a point.
#pragma once
#include "../base.cuh"

// A product of two expressions within a segment.
template <class A, class B>
struct Segment : Expression {
    static constexpr bool pointwise = false;
    const A& a;
    const B& b;
    int first, last;
    HD Segment(const A& a_, const B& b_, int first_, int last_) : a(a_), b(b_), first(first_), last(last_) {}
};
template <class A, class B>
HD scalar reduce_block(const Segment<A, B>& e, int j, Add) {
    scalar r = broadcast(real(0));
    const int start = block_width * block_of(j);
    if (start + block_width <= e.first || start >= e.last) return r;
    const auto p = e.a.at(j);
    const auto q = e.b.at(j);
    EACH_COORDINATE {
        const bool inside = start + c >= e.first && start + c < e.last;
        const scalar next = c == 0 ? broadcast(p.c[c] * q.c[c]) : muladd(p.c[c], q.c[c], r);
        r = inside ? next : r;
    }
    return r;
}
template <class A, class B>
HD scalar sum_within(const A& a, const B& b, int first, int last) {
    const Segment<A, B> e(a, b, first, last);
#if ENSEMBLE_DEVICE
    return reduce(e, Add{});
#else
    // Of the tree's leaves those that are not 0 lie side by side: as many as the next power of two fold to all of it.
    const int start = first / block_width, count = (last - 1) / block_width + 1 - start;
    int leaves = 1;
    while (leaves < count) leaves *= 2;
#if ENSEMBLE_DIM == 0
    scalar* part = (scalar*)workspace_room(long(sizeof(scalar)) * leaves);
#else
    scalar part[power_of_two_at_least(held_blocks)];
#endif
    for (int k = 0; k < leaves; ++k) {
        const int j = start + ((k - start) & (leaves - 1));
        part[k] = j < start + count ? reduce_block(e, j, Add{}) : broadcast(real(0));
    }
    for (int s = leaves / 2; s >= 1; s /= 2)
        for (int k = 0; k < s; ++k) part[k] = part[k] + part[k + s];
    return part[0];
#endif
}
