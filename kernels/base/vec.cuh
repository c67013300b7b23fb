// Vec: all coordinates of an instance, in whole-vector algebra. Expressions are evaluated block by block when they are
// stored or reduced; a*b + c, a*b - c and c - a*b become one fused operation under ENSEMBLE_FAST, here and nowhere else.
#pragma once

// ---- which blocks are held here
#if ENSEMBLE_DEVICE
constexpr bool static_shape = true;
constexpr int static_dim = ENSEMBLE_DIM;
constexpr int block_width = static_dim < 4 ? static_dim : 4;
constexpr int static_blocks = (static_dim + 3) / 4;
static_assert(lanes <= power_of_two_at_least(static_blocks), "at most one lane for each leaf of the tree");
constexpr int held_blocks = ENSEMBLE_WINDOW ? ENSEMBLE_WINDOW : (static_blocks + lanes - 1) / lanes;
constexpr bool padded = static_dim % block_width != 0 || static_blocks % (windowed ? lanes * held_blocks : lanes) != 0;
HD constexpr int dim() { return static_dim; }
HD constexpr int held() { return held_blocks; }
#if ENSEMBLE_WINDOW
// Groups hold the windows of the first instance, then those of the second, and so on.
constexpr int windows = (static_blocks + lanes * held_blocks - 1) / (lanes * held_blocks);
HD int window() { return group_of_launch() % windows; }
HD int block_of(int j) { return (window() * held_blocks + j) * lanes + lane_in_group(); }
#else
HD int block_of(int j) { return lanes == 1 ? j : j * lanes + lane_in_group(); }
#endif
HD constexpr int tree_blocks() { return power_of_two_at_least(static_blocks) / lanes; }
#else
constexpr bool static_shape = ENSEMBLE_DIM > 0;
constexpr int static_dim = ENSEMBLE_DIM;
constexpr int block_width = static_shape && static_dim < 4 ? static_dim : 4;
constexpr int held_blocks = static_shape ? (static_dim + 3) / 4 : 1;
constexpr bool padded = !static_shape || static_dim % block_width != 0;
constexpr int lanes = 1;
HD scalar needs_all_coordinates() { return {}; }  // never asked: instances are advanced whole
// What a thread works on: the run-time shape and the rest of its arena, from which Vecs are taken like a stack.
struct Workspace {
    int dim, blocks, tree_blocks;
    char* top;
    char* start;
    char* end;
    bool overflowed;
};
static thread_local Workspace workspace;
HD void open_workspace(int dim, char* arena, long long bytes) {
    int blocks = (dim + 3) / 4, tree = 1;
    while (tree < blocks) tree *= 2;
    workspace = {dim, blocks, tree, arena, arena, arena + bytes, false};
}
HD char* workspace_top() { return workspace.top; }
HD void workspace_reset(char* top) { workspace.top = top; }
HD int workspace_overflowed() { return workspace.overflowed; }
// Room for so many bytes more. Where there is none the launch has failed and says so when it ends: the plan counts every
// Vec that parts hold. What it goes on to compute lands at the arena's start, which has room for any one thing.
HD char* workspace_room(long bytes) {
    if (__builtin_expect(workspace.top + bytes <= workspace.end, 1)) return workspace.top;
    workspace.overflowed = true;
    return workspace.start;
}
HD int dim() { return static_shape ? static_dim : workspace.dim; }
HD int held() { return static_shape ? held_blocks : workspace.blocks; }
HD int block_of(int j) { return j; }
HD int lane_in_group() { return 0; }
HD int tree_blocks() { return static_shape ? power_of_two_at_least(held_blocks) : workspace.tree_blocks; }
template <class T, class Op>
HD T reduce_lanes(T value, Op) {
    return value;
}
template <class T>
HD T from_lane(T value, int) {
    return value;
}
#endif
// Is coordinate c of held block j a coordinate at all, and not padding?
HD bool is_coordinate(int j, int c) {
    if (!padded) return true;
    if (windowed && static_dim % block_width == 0) return block_of(j) < (static_dim + 3) / 4;
    if (static_shape && !windowed && j != held_blocks - 1) return true;
    return block_width * block_of(j) + c < dim();
}

#if ENSEMBLE_STREAMED || ENSEMBLE_WINDOW
#define IN_ONE_ACCESS alignas(16)
#else
#define IN_ONE_ACCESS
#endif
template <class T>
struct IN_ONE_ACCESS Quad {
    T c[block_width];
};
#define EACH_COORDINATE UNROLL for (int c = 0; c < block_width; ++c)
#if ENSEMBLE_STREAMED
#define EACH_BLOCK(j) ROLLED for (int j = 0; j < held_blocks; ++j)
#elif ENSEMBLE_DEVICE
#define EACH_BLOCK(j) UNROLL for (int j = 0; j < held_blocks; ++j)
#else
#define EACH_BLOCK(j) for (int j = 0, held_ = held(); j < held_; ++j)
#endif

// ---- storage
#if ENSEMBLE_STREAMED
#include "streamed.cuh"
#elif ENSEMBLE_DEVICE
HD void open_workspace(char*, long long) {}  // registers are all there is
#if ENSEMBLE_DOUBLE
// One block a multiprocessor is enough: without saying so the compiler spills some registers for the sake of more.
#define ENSEMBLE_BOUNDS __launch_bounds__(ENSEMBLE_THREADS, 1)
#else
#define ENSEMBLE_BOUNDS __launch_bounds__(ENSEMBLE_THREADS)
#endif
#else
// One entry for each block, somewhere in the arena.
template <class T>
using Entries = T*;
template <class T>
HD T* entries_at(char* room) {
    return (T*)room;
}
template <class T>
HD char* room_of(T* entries) {
    return (char*)entries;
}
template <class T>
HD long bytes_of_entries(int count) {
    return long(sizeof(T)) * count;
}
#endif
struct Vec;
template <class E>
HD void store(Vec& to, const E& from);

struct Vec : Expression {
    static constexpr bool pointwise = true;
#if !ENSEMBLE_ARENA
    Quad<scalar> block[held_blocks];
    HD Vec() {}
    Vec(const Vec& other) = default;
    Vec& operator=(const Vec& other) = default;
#else
    Entries<Quad<scalar>> block;
    HD Vec() { take(); }
    HD Vec(const Vec& other) {
        take();
        EACH_BLOCK(j) block[j] = other.block[j];
    }
    HD Vec(Vec&& other) : block(other.block) { other.block = {}; }
    HD Vec& operator=(const Vec& other) {
        EACH_BLOCK(j) block[j] = other.block[j];
        return *this;
    }
    HD ~Vec() {
        if (block && room_of(block) + bytes() == workspace_top()) workspace_reset(room_of(block));
    }
    static HD long bytes() { return bytes_of_entries<Quad<scalar>>(held()); }

private:
    HD void take() {
        block = entries_at<Quad<scalar>>(workspace_room(bytes()));
        workspace_reset(room_of(block) + bytes());
    }

public:
#endif
    template <class E, typename enable_if<is_expression<E> && !same_type<E, Vec>>::type = 0>
    HD Vec(const E& e) : Vec() {
        store(*this, e);
    }
    template <class E, typename enable_if<is_expression<E> && !same_type<E, Vec>>::type = 0>
    HD Vec& operator=(const E& e) {
        if constexpr (E::pointwise) {
            store(*this, e);
        } else {
            Vec whole(e);  // a coordinate of the result may need its neighbours' old values
            *this = whole;
        }
        return *this;
    }
    HD const Quad<scalar>& at(int j) const { return block[j]; }
};

HD void zero_padding(Quad<scalar>& q, int j) {
    if (padded && !windowed) EACH_COORDINATE q.c[c] = is_coordinate(j, c) ? q.c[c] : broadcast(real(0));
}

// ---- leaves
struct Held : Expression {  // a Vec that outlives the expression
    static constexpr bool pointwise = true;
    const Vec& vec;
    HD Held(const Vec& v) : vec(v) {}
    HD const Quad<scalar>& at(int j) const { return vec.block[j]; }
};
template <class T>
struct Same : Expression {  // one value for every coordinate
    static constexpr bool pointwise = true;
    T value;
    HD Same(T v) : value(v) {}
    HD Quad<T> at(int) const {
        Quad<T> r;
        EACH_COORDINATE r.c[c] = value;
        return r;
    }
};
struct Index : Expression {  // the coordinate's number
    static constexpr bool pointwise = true;
    HD Quad<int> at(int j) const {
        Quad<int> r;
        EACH_COORDINATE r.c[c] = block_width * block_of(j) + c;
        return r;
    }
};
HD Index index() { return {}; }

// A parameter with one number per coordinate, read from memory; padded to whole blocks by the caller.
struct Vector : Expression {
    static constexpr bool pointwise = true;
#if !ENSEMBLE_DEVICE && ENSEMBLE_MIXED
    const real* coordinates[width];
    HD Quad<scalar> at(int j) const {
        Quad<scalar> r;
        EACH_COORDINATE for (int w = 0; w < width; ++w) r.c[c].set(w, coordinates[w][block_width * j + c]);
        return r;
    }
#else
    const real* coordinates;
    HD Quad<real> at(int j) const {
        Quad<real> r;
#if defined(__CUDACC__) && !ENSEMBLE_DOUBLE && ENSEMBLE_DIM >= 4
        float4 four = __ldg((const float4*)coordinates + block_of(j));
        r.c[0] = four.x, r.c[1] = four.y, r.c[2] = four.z, r.c[3] = four.w;
#else
        EACH_COORDINATE r.c[c] = coordinates[block_width * block_of(j) + c];
#endif
        return r;
    }
#endif
};

struct Owned : Expression {  // a Vec that somebody returned: it moves into the expression
    static constexpr bool pointwise = true;
    Vec vec;
    HD Owned(Vec&& v) : vec(static_cast<Vec&&>(v)) {}
    HD const Quad<scalar>& at(int j) const { return vec.block[j]; }
};

template <class T>
struct plain {
    using type = T;
};
template <class T>
struct plain<T&> {
    using type = T;
};
template <class T>
struct plain<const T&> {
    using type = T;
};
template <class T>
struct plain<const T> {
    using type = T;
};
template <class T>
using plain_type = typename plain<T>::type;
template <class T>
constexpr bool is_operand = is_expression<plain_type<T>>;

template <class T>
struct as_operand {
    using type = T;  // an expression is copied or moved: it is small, or owns what it needs
};
template <>
struct as_operand<bool> {
    using type = Same<bool>;
};
template <>
struct as_operand<int> {
    using type = Same<int>;
};
#define PLAIN_OPERAND(T)         \
    template <>                  \
    struct as_operand<T> {       \
        using type = Same<real>; \
    };
PLAIN_OPERAND(float)
PLAIN_OPERAND(double)
#if !ENSEMBLE_DEVICE
template <>
struct as_operand<scalar> {
    using type = Same<scalar>;
};
template <>
struct as_operand<mask> {
    using type = Same<mask>;
};
#endif
template <class T>
struct operand_of {
    using type = typename as_operand<plain_type<T>>::type;
};
template <>
struct operand_of<Vec> {
    using type = Owned;
};
template <>
struct operand_of<Vec&> {
    using type = Held;
};
template <>
struct operand_of<const Vec&> {
    using type = Held;
};
template <class T>
using operand = typename operand_of<T>::type;
template <class T>
HD operand<T> make_operand(T&& value) {
    if constexpr (same_type<operand<T>, Same<real>> && !is_operand<T>) {
        return operand<T>(real(value));
    } else {
        return operand<T>(static_cast<T&&>(value));
    }
}

// ---- elementwise operations
template <class Op, class A>
struct Unary : Expression {
    static constexpr bool pointwise = A::pointwise;
    A a;
    HD Unary(A&& a_) : a(static_cast<A&&>(a_)) {}
    HD auto at(int j) const {
        auto p = a.at(j);
        Quad<decltype(Op::apply(p.c[0]))> r;
        EACH_COORDINATE r.c[c] = Op::apply(p.c[c]);
        return r;
    }
};
template <class Op, class A, class B>
struct Binary;
struct Plus {
    template <class A, class B>
    static HD auto apply(const A& a, const B& b) {
        return a + b;
    }
};
struct Minus {
    template <class A, class B>
    static HD auto apply(const A& a, const B& b) {
        return a - b;
    }
};
struct Times {
    template <class A, class B>
    static HD auto apply(const A& a, const B& b) {
        return a * b;
    }
};
struct Over {
    template <class A, class B>
    static HD auto apply(const A& a, const B& b) {
        return quotient(a, b);
    }
};
template <class E>
constexpr bool is_product = false;
template <class A, class B>
constexpr bool is_product<Binary<Times, A, B>> = true;
template <class E>
constexpr bool is_quotient = false;
template <class A, class B>
constexpr bool is_quotient<Binary<Over, A, B>> = true;

template <class Op, class A, class B>
struct Binary : Expression {
    static constexpr bool pointwise = A::pointwise && B::pointwise;
    A a;
    B b;
    HD Binary(A&& a_, B&& b_) : a(static_cast<A&&>(a_)), b(static_cast<B&&>(b_)) {}
    HD auto at(int j) const {
        if constexpr (same_type<Op, Plus> && is_product<A>) {
            return fused(a.a.at(j), a.b.at(j), b.at(j));
        } else if constexpr (same_type<Op, Minus> && is_product<A>) {
            return fused(a.a.at(j), a.b.at(j), negated(b.at(j)));
        } else if constexpr (same_type<Op, Plus> && is_product<B>) {
            return fused(b.a.at(j), b.b.at(j), a.at(j));
        } else if constexpr (same_type<Op, Minus> && is_product<B>) {
            return fused(negated(b.a.at(j)), b.b.at(j), a.at(j));
#if ENSEMBLE_HARDWARE
        } else if constexpr (same_type<Op, Minus> && is_quotient<B>) {
            auto p = b.b.at(j);
            Quad<real> inverse;
            EACH_COORDINATE inverse.c[c] = reciprocal(p.c[c]);
            return fused(negated(b.a.at(j)), inverse, a.at(j));
#endif
        } else {
            auto p = a.at(j);
            auto q = b.at(j);
            Quad<decltype(Op::apply(p.c[0], q.c[0]))> r;
            EACH_COORDINATE r.c[c] = Op::apply(p.c[c], q.c[c]);
            return r;
        }
    }

private:
    template <class P, class Q, class R>
    static HD auto fused(const Quad<P>& p, const Quad<Q>& q, const Quad<R>& s) {
        Quad<decltype(muladd(p.c[0], q.c[0], s.c[0]))> r;
        EACH_COORDINATE r.c[c] = muladd(p.c[c], q.c[c], s.c[c]);
        return r;
    }
    template <class P>
    static HD Quad<P> negated(const Quad<P>& p) {
        Quad<P> r;
        EACH_COORDINATE r.c[c] = -p.c[c];
        return r;
    }
};

#define ELEMENTWISE(NAME, OP)                                                                 \
    template <class A, class B, typename enable_if<is_operand<A> || is_operand<B>>::type = 0> \
    HD auto NAME(A&& a, B&& b) {                                                              \
        return Binary<OP, operand<A>, operand<B>>(make_operand<A>(static_cast<A&&>(a)),       \
                                                  make_operand<B>(static_cast<B&&>(b)));      \
    }
ELEMENTWISE(operator+, Plus)
ELEMENTWISE(operator-, Minus)
ELEMENTWISE(operator*, Times)
ELEMENTWISE(operator/, Over)
#define OPERATION(NAME, EXPRESSION)                    \
    struct NAME {                                      \
        template <class A, class B>                    \
        static HD auto apply(const A& a, const B& b) { \
            return EXPRESSION;                         \
        }                                              \
    };
OPERATION(Less, a < b)
OPERATION(LessEqual, a <= b)
OPERATION(Greater, a > b)
OPERATION(GreaterEqual, a >= b)
OPERATION(Equal, a == b)
OPERATION(NotEqual, a != b)
OPERATION(And, (a & b))
OPERATION(Or, a | b)
OPERATION(Larger, where(a > b, a, b))
OPERATION(Smaller, where(a < b, a, b))
ELEMENTWISE(operator<, Less)
ELEMENTWISE(operator<=, LessEqual)
ELEMENTWISE(operator>, Greater)
ELEMENTWISE(operator>=, GreaterEqual)
ELEMENTWISE(operator==, Equal)
ELEMENTWISE(operator!=, NotEqual)
ELEMENTWISE(operator&, And)
ELEMENTWISE(operator|, Or)
ELEMENTWISE(larger, Larger)
ELEMENTWISE(smaller, Smaller)
#define ELEMENTWISE_FUNCTION(NAME, STRUCT, EXPRESSION)                          \
    struct STRUCT {                                                             \
        template <class A>                                                      \
        static HD auto apply(const A& a) {                                      \
            return EXPRESSION;                                                  \
        }                                                                       \
    };                                                                          \
    template <class A, typename enable_if<is_operand<A>>::type = 0>             \
    HD auto NAME(A&& a) {                                                       \
        return Unary<STRUCT, operand<A>>(make_operand<A>(static_cast<A&&>(a))); \
    }
ELEMENTWISE_FUNCTION(operator-, Negative, -a)
ELEMENTWISE_FUNCTION(sqrt, SquareRoot, square_root(a))
ELEMENTWISE_FUNCTION(abs, Absolute, absolute(a))

// where(condition, a, b): both sides are computed, unless the whole block agrees and the condition is one for all.
template <class C, class A, class B>
struct Where : Expression {
    static constexpr bool pointwise = C::pointwise && A::pointwise && B::pointwise;
    C condition;
    A a;
    B b;
    HD Where(C&& condition_, A&& a_, B&& b_)
        : condition(static_cast<C&&>(condition_)), a(static_cast<A&&>(a_)), b(static_cast<B&&>(b_)) {}
    HD Quad<scalar> at(int j) const {
        auto m = condition.at(j);
        Quad<scalar> r;
#if !ENSEMBLE_DEVICE
        if constexpr (same_type<decltype(m), Quad<bool>>) {
            bool all = true, none = true;
            EACH_COORDINATE m.c[c] ? (none = false) : (all = false);
            if (all) {
                auto p = a.at(j);
                EACH_COORDINATE r.c[c] = broadcast(p.c[c]);
                return r;
            }
            if (none) {
                auto q = b.at(j);
                EACH_COORDINATE r.c[c] = broadcast(q.c[c]);
                return r;
            }
        }
#endif
        auto p = a.at(j);
        auto q = b.at(j);
        EACH_COORDINATE r.c[c] = where(m.c[c], broadcast(p.c[c]), broadcast(q.c[c]));
        return r;
    }
};
template <class C, class A, class B, typename enable_if<is_operand<C> || is_operand<A> || is_operand<B>>::type = 0>
HD auto where(C&& condition, A&& a, B&& b) {
    return Where<operand<C>, operand<A>, operand<B>>(make_operand<C>(static_cast<C&&>(condition)),
                                                     make_operand<A>(static_cast<A&&>(a)),
                                                     make_operand<B>(static_cast<B&&>(b)));
}

// ---- evaluation
template <class E>
HD void store(Vec& to, const E& from) {
    EACH_BLOCK(j) {
        auto q = from.at(j);
        Quad<scalar> r;
        EACH_COORDINATE r.c[c] = broadcast(q.c[c]);
        zero_padding(r, j);
        to.block[j] = r;
    }
}
// Stores and says whether every coordinate is finite and within the bound (NaN is not).
template <class E>
HD mask store_within(Vec& to, const E& from, real bound) {
    mask ok = as_mask(true);
    if constexpr (!E::pointwise) {
        Vec whole(from);
        return store_within(to, whole, bound);
    } else {
        EACH_BLOCK(j) {
            auto q = from.at(j);
            Quad<scalar> r;
            EACH_COORDINATE r.c[c] = broadcast(q.c[c]);
            zero_padding(r, j);
#if ENSEMBLE_WINDOW
            EACH_COORDINATE ok = ok & (absolute(r.c[c]) <= bound || !is_coordinate(j, c));
#else
            EACH_COORDINATE ok = ok & (absolute(r.c[c]) <= bound);
#endif
            to.block[j] = r;
        }
        return ok;
    }
}

// ---- reductions over the coordinates: in a block from first to last; over the blocks one binary tree, padded with
// the neutral value to a power of two and halved by strides from large to small. The same bits for every layout.
struct Add {
    static constexpr bool is_sum = true, commutes = true;
    static HD real neutral() { return 0; }
    template <class T>
    HD T operator()(const T& a, const T& b) const {
        return a + b;
    }
};
struct Maximum {
    static constexpr bool is_sum = false, commutes = false;  // not for NaN, nor for zeros of two signs
    static HD real neutral() { return -real(ENSEMBLE_DOUBLE ? 1.7976931348623157e308 : 3.4028234663852886e38); }
    template <class T>
    HD T operator()(const T& a, const T& b) const {
        return where(a > b, a, b);
    }
};
struct Minimum {
    static constexpr bool is_sum = false, commutes = false;  // not for NaN, nor for zeros of two signs
    static HD real neutral() { return real(ENSEMBLE_DOUBLE ? 1.7976931348623157e308 : 3.4028234663852886e38); }
    template <class T>
    HD T operator()(const T& a, const T& b) const {
        return where(a < b, a, b);
    }
};
template <class Op, class E>
HD scalar reduce_block(const E& e, int j, Op op) {
    scalar r = broadcast(Op::neutral());
    if constexpr (Op::is_sum && is_product<E>) {
        auto p = e.a.at(j);
        auto q = e.b.at(j);
        EACH_COORDINATE {
            scalar next = c == 0 ? broadcast(p.c[c] * q.c[c]) : muladd(p.c[c], q.c[c], r);
            r = is_coordinate(j, c) ? next : r;
        }
    } else {
        auto p = e.at(j);
        EACH_COORDINATE {
            scalar next = c == 0 ? broadcast(p.c[c]) : op(r, broadcast(p.c[c]));
            r = is_coordinate(j, c) ? next : r;
        }
    }
    return r;
}
#if ENSEMBLE_WINDOW
template <class Op, class E>
HD scalar reduce(const E&, Op) {
    return needs_all_coordinates();
}
#elif ENSEMBLE_STREAMED
// The tree's leaves in the order in which it takes them, so that one value for each level is all that waits.
template <class Op, class E>
HD scalar reduce(const E& e, Op op) {
    constexpr int leaves = tree_blocks(), levels = level_of(leaves);
    scalar waiting[levels + 1], value = broadcast(Op::neutral());
    ROLLED for (int k = 0; k < leaves; ++k) {
        int j = reversed<levels>(k);
        value = broadcast(Op::neutral());
        if (j < held_blocks) value = reduce_block(e, j, op);
        UNROLL for (int level = 0; level < levels; ++level) {
            bool whole =
                (k + 1) % (1 << level) == 0;  // value is a whole subtree of this level, the right or the left one
            bool right = k >> level & 1;
            if (whole && right) value = op(waiting[level], value);
            if (whole && !right) waiting[level] = value;
        }
    }
    return reduce_lanes(value, op);
}
#elif ENSEMBLE_DEVICE || ENSEMBLE_DIM > 0
template <class Op, class E>
HD scalar reduce(const E& e, Op op) {
    constexpr int padded_blocks = power_of_two_at_least((static_dim + 3) / 4) / lanes;
    scalar part[padded_blocks];
    UNROLL for (int j = 0; j < padded_blocks; ++j) {
        part[j] = j < held_blocks ? reduce_block(e, j < held_blocks ? j : 0, op) : broadcast(Op::neutral());
    }
    UNROLL for (int s = padded_blocks / 2; s >= 1; s /= 2) {
        UNROLL for (int j = 0; j < padded_blocks; ++j) {
            if (j < s) part[j] = op(part[j], part[j + s]);
        }
    }
    return reduce_lanes(part[0], op);
}
#else
template <class Op, class E>
HD scalar reduce(const E& e, Op op) {
    int n = tree_blocks();
    scalar* part = (scalar*)workspace_room(long(sizeof(scalar)) * n);
    int have = held();
    for (int j = 0; j < have; ++j) part[j] = reduce_block(e, j, op);
    for (int j = have; j < n; ++j) part[j] = broadcast(Op::neutral());
    for (int s = n / 2; s >= 1; s /= 2)
        for (int j = 0; j < s; ++j) part[j] = op(part[j], part[j + s]);
    return part[0];
}
#endif
template <class E>
HD scalar sum(E&& e) {
    return reduce(make_operand<E>(static_cast<E&&>(e)), Add{});
}
template <class A, class B>
HD scalar dot(const A& a, const B& b) {
    return sum(a * b);
}
template <class E>
HD scalar max(E&& e) {
    return reduce(make_operand<E>(static_cast<E&&>(e)), Maximum{});
}
template <class E>
HD scalar min(E&& e) {
    return reduce(make_operand<E>(static_cast<E&&>(e)), Minimum{});
}
// The smallest coordinate number where the predicate holds, or dim; a real, exact below 2^24.
template <class E>
HD scalar first_index(E&& predicate) {
    return min(where(static_cast<E&&>(predicate), index() * real(1), real(dim())));
}

// ---- moving coordinates
#include "moves.cuh"
