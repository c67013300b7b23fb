// Memory of a launch whose every access is checked, for all lanes of an instruction in one call; and fused operations.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

enum Fault {
    outside,
    misaligned,
    foreign,
    unwritten,
    read_after_write,
    write_after_read,
    write_after_write,
    not_constant
};
enum Reach { one, of_warp, of_block, of_launch };  // how far apart the readers of a byte are

// Who wrote a byte last and who has read it since; a number of 0: nobody. Epochs count the barriers that a thread has passed.
struct Cell {
    int32_t writer, write_block, write_warp, reader, read_block, read_warp, reach;
};

struct Range {
    uint64_t start, end, stride;  // stride: bytes of each owner, 0: of all
    bool by_block;                // owners are blocks, else threads
    uint8_t* written;             // for each byte, or null: all are
    Cell* cells;                  // or null: not watched
};

}  // namespace

struct Memory {
    std::vector<Range> ranges;
    Range* last = nullptr;
    Range* find(uint64_t a, uint64_t size) {
        if (last && a >= last->start && a + size <= last->end) return last;
        auto after =
            std::upper_bound(ranges.begin(), ranges.end(), a, [](uint64_t x, const Range& r) { return x < r.start; });
        if (after == ranges.begin()) return nullptr;
        Range* r = &*(after - 1);
        if (a + size > r->end) return nullptr;
        return last = r;
    }
};

// The threads at work: number of the first of them in the launch, how many, threads of a block, and how often each has passed a barrier
// of its block, one of its warp, and whatever its warp waits at. Shuffles and votes order no memory, but nobody writes after one
// what another has yet to read before it.
struct Lanes {
    int64_t first, count, threads;
    const int32_t *block_epoch, *warp_epoch, *met_epoch;
};

namespace {

struct Access {
    Memory* memory;
    const Lanes* lanes;
    int64_t size;
    bool uniform;

    int thread(int64_t lane) const { return int(lanes->first + lane); }
    bool same_block(int a, int b) const { return a / lanes->threads == b / lanes->threads; }
    bool same_warp(int a, int b) const {
        return same_block(a, b) && a % lanes->threads / 32 == b % lanes->threads / 32;
    }
    // Whether a barrier lies between what a thread did in some epochs and what this lane does now.
    bool ordered(int other, int reach, int block_epoch, int warp_epoch, const int32_t* of_warps, int64_t lane) const {
        int t = thread(lane);
        if (reach == one && other == t) return true;
        if (reach <= of_warp && same_warp(other, t)) return warp_epoch != of_warps[lane];
        if (reach <= of_block && same_block(other, t)) return block_epoch != lanes->block_epoch[lane];
        return false;
    }
    int read(Cell& c, int64_t lane) const {
        int t = thread(lane);
        for (int64_t reader = lane; c.writer && reader < (uniform ? lanes->count : lane + 1); ++reader) {
            if (!ordered(c.writer - 1, one, c.write_block, c.write_warp, lanes->warp_epoch, reader))
                return read_after_write;
        }
        bool old = !c.reader || (same_block(c.reader - 1, t) && c.read_block != lanes->block_epoch[lane]) ||
                   (c.reach <= of_warp && same_warp(c.reader - 1, t) && c.read_warp != lanes->met_epoch[lane]);
        int reach = uniform ? of_launch : one;
        if (!old && !uniform) {
            int apart = c.reader - 1 == t             ? one
                        : same_warp(c.reader - 1, t)  ? of_warp
                        : same_block(c.reader - 1, t) ? of_block
                                                      : of_launch;
            reach = std::max<int>(c.reach, apart);
        }
        c.reader = t + 1, c.read_block = lanes->block_epoch[lane], c.read_warp = lanes->met_epoch[lane],
        c.reach = reach;
        return -1;
    }
    int write(Cell& c, int64_t lane, bool same) const {
        if (c.reader && !same && !ordered(c.reader - 1, c.reach, c.read_block, c.read_warp, lanes->met_epoch, lane))
            return write_after_read;
        if (c.writer && !same && !ordered(c.writer - 1, one, c.write_block, c.write_warp, lanes->warp_epoch, lane))
            return write_after_write;
        c.writer = thread(lane) + 1, c.write_block = lanes->block_epoch[lane], c.write_warp = lanes->warp_epoch[lane];
        return -1;
    }
    // The range that holds an address, or null with the fault.
    Range* find(uint64_t a, int64_t lane, int& fault) const {
        fault = -1;
        if (a % size) return fault = misaligned, nullptr;
        Range* r = memory->find(a, size);
        if (!r) return fault = outside, nullptr;
        if (r->stride) {
            uint64_t owner = r->by_block ? lane / lanes->threads : lane, at = a - r->start;
            if (at / r->stride != owner || at % r->stride + size > r->stride) return fault = foreign, nullptr;
        }
        return r;
    }
};

// Calls f(address, lane, range) for every lane that takes part until one says that something is wrong: lane * 16 + Fault.
template <class F>
int64_t each(const Access& access, const uint64_t* at, const uint8_t* mask, int64_t n, int64_t offset, F f) {
    for (int64_t lane = 0; lane < n; ++lane) {
        if (mask && !mask[lane]) continue;
        int fault;
        uint64_t a = at[lane] + offset;
        Range* r = access.find(a, lane, fault);
        if (r) fault = f(a, lane, *r);
        if (fault >= 0) return lane * 16 + fault;
    }
    return -1;
}

template <class T>
T changed(int op, T old, T x, T y) {
    switch (op) {
        case 0:
            return old + x;
        case 1:
            return std::min(old, x);
        case 2:
            return std::max(old, x);
        case 3:
            return x;
        default:
            return old == x ? y : old;
    }
}

}  // namespace

extern "C" {

Memory* memory_open() { return new Memory; }
void memory_close(Memory* m) {
    for (Range& r : m->ranges) std::free(r.cells);
    delete m;
}
void memory_add(Memory* m, uint64_t start, uint64_t size, uint64_t stride, int by_block, uint8_t* written,
                int watched) {
    Cell* cells = watched ? (Cell*)std::calloc(size, sizeof(Cell)) : nullptr;
    Range range{start, start + size, stride, by_block != 0, written, cells};
    auto after = [](const Range& a, const Range& b) { return a.start < b.start; };
    m->ranges.insert(std::upper_bound(m->ranges.begin(), m->ranges.end(), range, after), range);
    m->last = nullptr;
}
void memory_drop(Memory* m, uint64_t start) {
    for (auto r = m->ranges.begin(); r != m->ranges.end(); ++r) {
        if (r->start != start) continue;
        std::free(r->cells);
        m->ranges.erase(r);
        break;
    }
    m->last = nullptr;
}
int64_t gather(Memory* m, const Lanes* lanes, const uint64_t* at, const uint8_t* mask, int64_t n, int64_t offset,
               int64_t size, int uniform, int constant, uint8_t* out) {
    Access access{m, lanes, size, uniform != 0};
    return each(access, at, mask, n, offset, [&](uint64_t a, int64_t lane, Range& r) {
        // Of a few numbers together some may be padding; what is there is NaN until it is written.
        if (r.written && !std::memchr(r.written + (a - r.start), 1, size)) return int(unwritten);
        for (uint64_t k = a - r.start; k < a - r.start + size; ++k) {
            if (!r.cells) continue;
            if (constant && r.cells[k].writer) return int(not_constant);
            if (int fault = access.read(r.cells[k], lane); fault >= 0) return fault;
        }
        std::memcpy(out + lane * size, (void*)a, size);
        return -1;
    });
}
int64_t scatter(Memory* m, const Lanes* lanes, const uint64_t* at, const uint8_t* mask, int64_t n, int64_t offset,
                int64_t size, const uint8_t* in) {
    Access access{m, lanes, size, false};
    return each(access, at, mask, n, offset, [&](uint64_t a, int64_t lane, Range& r) {
        for (uint64_t k = 0; k < uint64_t(size); ++k) {
            uint64_t byte = a - r.start + k;
            bool same = ((uint8_t*)a)[k] == in[lane * size + k] && (!r.written || r.written[byte]);
            if (r.written) r.written[byte] = 1;
            if (!r.cells) continue;
            if (int fault = access.write(r.cells[byte], lane, same); fault >= 0) return fault;
        }
        std::memcpy((void*)a, in + lane * size, size);
        return -1;
    });
}
// op: 0 add, 1 min, 2 max, 3 exch, 4 cas. Lanes one after another, which is one of the orders a device may take.
int64_t atomic(Memory* m, const Lanes* lanes, const uint64_t* at, const uint8_t* mask, int64_t n, int64_t offset,
               int64_t size, int is_signed, int op, const uint8_t* b, const uint8_t* c, uint8_t* out) {
    Access access{m, lanes, size, false};
    return each(access, at, mask, n, offset, [&](uint64_t a, int64_t lane, Range& r) {
        if (r.written &&
            !std::all_of(r.written + (a - r.start), r.written + (a - r.start) + size, [](uint8_t w) { return w; }))
            return int(unwritten);
        auto change = [&](auto zero) {
            auto old = zero, x = zero, y = zero;
            std::memcpy(&old, (void*)a, size), std::memcpy(&x, b + lane * size, size),
                std::memcpy(&y, c + lane * size, size);
            auto now = changed(op, old, x, y);
            std::memcpy(out + lane * size, &old, size), std::memcpy((void*)a, &now, size);
        };
        if (size == 4)
            is_signed ? change(int32_t()) : change(uint32_t());
        else
            is_signed ? change(int64_t()) : change(uint64_t());
        return -1;
    });
}
void fused32(const float* a, const float* b, const float* c, float* r, int64_t n) {
    for (int64_t i = 0; i < n; ++i) r[i] = std::fma(a[i], b[i], c[i]);
}
void fused64(const double* a, const double* b, const double* c, double* r, int64_t n) {
    for (int64_t i = 0; i < n; ++i) r[i] = std::fma(a[i], b[i], c[i]);
}
}
