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
// Is coordinate c of held block j a coordinate at all, and not padding? Loops ask for the dimension before they begin: on the CPU
// it is the thread's own, and found by a call.
HD bool is_coordinate(int j, int c, int of_dim = dim()) {
    if (!padded) return true;
    if (windowed && static_dim % block_width == 0) return block_of(j) < (static_dim + 3) / 4;
    if (static_shape && !windowed && j != held_blocks - 1) return true;
    return block_width * block_of(j) + c < of_dim;
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
// A quarter of all threads is to fit: a team's members would else be taken side by side, in twice the registers, and rules with
// many vectors take 20 more than they need.
#define ENSEMBLE_BOUNDS                 \
    __launch_bounds__(ENSEMBLE_THREADS, \
                      (ENSEMBLE_TEAM > 1 || ENSEMBLE_QUARTER) && ENSEMBLE_THREADS < 512 ? 512 / ENSEMBLE_THREADS : 1)
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

// The arena when it was made, again when it ends: what a function took for itself is given back in whatever order it was taken.
struct Scope {
#if ENSEMBLE_ARENA
    char* top;
    HD Scope() : top(workspace_top()) {}
    HD ~Scope() { workspace_reset(top); }
    Scope(const Scope&) = delete;
#else
    HD Scope() {}
#endif
};

HD void zero_padding(Quad<scalar>& q, int j, int of_dim = dim()) {
    if (padded && !windowed) EACH_COORDINATE q.c[c] = is_coordinate(j, c, of_dim) ? q.c[c] : broadcast(real(0));
}

#include "lengths.cuh"
#include "moves.cuh"
