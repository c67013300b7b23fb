// Expressions: what has a value at each coordinate, made of Vecs and numbers and evaluated only when stored or reduced.
#pragma once

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
OPERATION(Larger, where(a < b, b, a))   // a NaN on the left stays, so that divergence is seen
OPERATION(Smaller, where(a > b, b, a))  // the same
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
