// Vecs in memory, for an instance that no block of threads could hold in registers: each group has a slice of a buffer, from
// which Vecs are taken like a stack. A lane reads and writes its own blocks alone, as it does with registers; what it needs
// of others comes by shuffles and shared memory all the same. Block j of lane l lies beside those of its neighbours, so that
// an access of a warp is 512 bytes in a row.
#pragma once

struct Workspace {  // a thread's own copy, so that nobody waits for anybody
    char* top;
    char* start;
    char* end;  // where an int says that there was no room
};
HD Workspace& workspace() {
    ENSEMBLE_SHARED(Workspace, of_thread, ENSEMBLE_THREADS);
    return of_thread[threadIdx.x];
}
constexpr int end_bytes = 16;
// One block a multiprocessor is enough: without saying so the compiler spills some registers for the sake of two.
#define ENSEMBLE_BOUNDS __launch_bounds__(ENSEMBLE_THREADS, 1)
HD void open_workspace(char* scratch, long long bytes) {
    long long group = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / lanes;
    char* start = scratch + group * bytes;
    workspace() = {start, start, start + bytes - end_bytes};
}
HD char* workspace_top() { return workspace().top; }
HD void workspace_reset(char* top) { workspace().top = top; }
// Room for so many bytes more; where there is none, as on the CPU.
HD char* workspace_room(long bytes) {
    const Workspace& mine = workspace();
    if (mine.top + bytes <= mine.end) return mine.top;
    if (lane_in_group() == 0) *(int*)mine.end = 1;
    return mine.start;
}
// One entry for each block of this lane. Whatever it is, it takes a block's place: no byte of a slice then ever belongs to two
// lanes, and none waits for the others before it takes what they have left.
template <class T>
struct Entries {
    Quad<scalar>* own;
    HD T& operator[](int j) const {
        static_assert(sizeof(T) <= sizeof(Quad<scalar>), "an entry takes a block's place");
        return *(T*)(own + j * lanes);
    }
    HD explicit operator bool() const { return own; }
};
template <class T>
HD Entries<T> entries_at(char* room) {
    return {(Quad<scalar>*)room + lane_in_group()};
}
template <class T>
HD char* room_of(const Entries<T>& entries) {
    return (char*)(entries.own - lane_in_group());
}
template <class T>
HD long bytes_of_entries(int count) {
    return long(sizeof(Quad<scalar>)) * lanes * count;
}

// The k-th leaf in the order in which a tree halved by strides from large to small needs them.
constexpr int level_of(int leaves) { return leaves == 1 ? 0 : 1 + level_of(leaves / 2); }
template <int levels>
HD int reversed(int k) {
    return levels == 0 ? 0 : int(__brev(unsigned(k)) >> (32 - (levels == 0 ? 1 : levels)));
}
