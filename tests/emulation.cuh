// The device path of a kernel executed on the CPU: every CUDA thread is a std::thread, blocks run one after another.
//
//     #include "emulation.cuh"            // before the kernel's sources; defines ENSEMBLE_EMULATED
//     #include "advance.cuh"
//     emulate(grid, block, [&] { advance(launch); });
//
// What a shuffle assumes is asserted, and a breach aborts with a message that starts with "emulation:" :
//   - the calling lane is in its mask; every lane of the mask exists, has not exited, and arrives with the same mask,
//     the same operation, type and width;
//   - the lane a value is read from is in the mask;
//   - every thread of the block arrives at __syncthreads, none after another has exited (the CUDA rules forgive exited
//     threads; our kernels must not lean on that);
//   - no deadlock: it is found at once, when every thread waits or has exited, and named with who waits where. A thread
//     that spins without ever arriving is caught after EMULATION_TIMEOUT seconds without progress.
//
// What it cannot see: shared memory read before it is written (it holds zeros, or what the block before left), and a
// missing __syncwarp behind a shuffle (here a shuffle orders memory between its lanes, on the device it does not). A
// missing __syncthreads shows under -fsanitize=thread: nothing here orders memory between lanes that share no
// operation.
//
// C++20: g++ -std=c++20 -O2 -pthread -ffp-contract=off. Allowed in kernels: static shared memory, no exceptions, no
// I/O.
#pragma once

#include <atomic>
#include <barrier>
#include <bit>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#ifndef ENSEMBLE_EMULATED
#define ENSEMBLE_EMULATED 1
#endif
#ifndef EMULATION_TIMEOUT
#define EMULATION_TIMEOUT 20
#endif

#define __device__
#define __host__
#define __global__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __shared__ static  // one copy for all threads; blocks run one at a time
#define SHARED(type, name, count) static type name[count]

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
    constexpr unsigned count() const { return x * y * z; }
};
inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

namespace emulation {

enum class Operation : std::uint32_t {
    none,
    exited,
    barrier,
    syncwarp,
    any,
    all,
    ballot,
    shfl,
    shfl_xor,
    shfl_up,
    shfl_down
};

inline const char* name(Operation operation) {
    constexpr const char* names[] = {"running",         "exited",         "__syncthreads",   "__syncwarp",
                                     "__any_sync",      "__all_sync",     "__ballot_sync",   "__shfl_sync",
                                     "__shfl_xor_sync", "__shfl_up_sync", "__shfl_down_sync"};
    return names[static_cast<std::uint32_t>(operation)];
}

inline std::string hexadecimal(std::uint32_t mask) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", static_cast<unsigned>(mask));
    return text;
}

// The first failure speaks; threads that fail meanwhile wait for the end of the process.
[[noreturn]] inline void fail(const std::string& message) {
    static std::atomic<bool> failed{false};
    if (failed.exchange(true)) std::this_thread::sleep_for(std::chrono::hours(1));
    std::fprintf(stderr, "emulation: %s\n", message.c_str());
    std::fflush(stderr);
    std::abort();
}

inline std::string block_name() {
    return "block (" + std::to_string(blockIdx.x) + ", " + std::to_string(blockIdx.y) + ", " +
           std::to_string(blockIdx.z) + ")";
}

// What a lane brings to an operation. All of it but the value must agree.
struct Arrival {
    Operation operation = Operation::none;
    char type = ' ';
    int width = 32;
    std::uint64_t value = 0;
    bool agrees(const Arrival& other) const {
        return operation == other.operation && type == other.type && width == other.width;
    }
    std::string text() const {
        return std::string(name(operation)) +
               (type == ' ' ? "" : std::string(" of type ") + type + " and width " + std::to_string(width));
    }
};

// What a thread waits in, and with which mask (0 unless it waits for lanes of its warp).
struct State {
    Operation operation;
    std::uint32_t mask;
    bool operator==(const State&) const = default;
    bool waits_for(int lane) const { return mask >> lane & 1u; }
    std::string text() const { return name(operation) + (mask ? " with mask " + hexadecimal(mask) : std::string()); }
};

struct Block;

// A meeting point of a fixed set of threads, used again and again. Arrivals are kept for two rounds: a fast lane may
// write the next round while a slow one still reads this one, but not the round after.
struct Rendezvous {
    std::uint32_t mask;
    int size;
    std::atomic<int> arrived{0};
    std::atomic<int> round{0};
    Arrival arrivals[2][32];
    Rendezvous(std::uint32_t mask_, int size_) : mask(mask_), size(size_) {}
};

struct Warp {
    std::mutex mutex;
    std::map<std::uint32_t, Rendezvous> meetings;
};

// Who this thread is.
struct Lane {
    Block* block = nullptr;
    Rendezvous* last = nullptr;  // spares the lock of the warp, which would order memory between its groups
    int thread = 0;
    int index() const { return thread % 32; }
};
inline thread_local Lane self;

struct Block {
    const int size;
    Rendezvous everyone;
    std::vector<Warp> warps;
    std::vector<std::atomic<std::uint64_t>> states;  // operation and mask, by thread
    // Threads that wait or have exited, and 2^32 times those that have exited: one number, so that a deadlock is exact.
    std::atomic<std::int64_t> idle{0};
    std::atomic<std::uint64_t> progress{0};
    static constexpr std::int64_t one_exited = std::int64_t(1) << 32;

    explicit Block(int size_) : size(size_), everyone(0, size_), warps((size_ + 31) / 32), states(size_) {}

    // The bookkeeping is relaxed on purpose: it must not order the memory of threads that do not synchronise.
    void set(int thread, Operation operation, std::uint32_t mask) {
        states[thread].store(std::uint64_t(operation) << 32 | mask, std::memory_order_relaxed);
    }
    State state(int thread) const {
        std::uint64_t packed = states[thread].load(std::memory_order_relaxed);
        return {Operation(packed >> 32), std::uint32_t(packed)};
    }
    std::int64_t exited() const { return idle.load(std::memory_order_relaxed) / one_exited; }

    void restart() {
        for (int thread = 0; thread < size; ++thread) set(thread, Operation::none, 0);
        idle.store(0, std::memory_order_relaxed);
    }

    std::string situation() const {
        std::string text;
        for (int first = 0, last; first < size; first = last + 1) {
            for (last = first; last + 1 < size && state(last + 1) == state(first);) ++last;
            text += "\n  threads " + std::to_string(first) + " to " + std::to_string(last) + ": " + state(first).text();
        }
        return text;
    }

    void count_idle(std::int64_t amount) {
        std::int64_t now = idle.fetch_add(amount, std::memory_order_relaxed) + amount;
        if (now % one_exited == size && now / one_exited != size) {
            fail("deadlock in " + block_name() + ", every thread waits or has exited:" + situation());
        }
    }
};

[[noreturn]] inline void fail_here(const State& where, const std::string& message) {
    fail(block_name() + " thread " + std::to_string(self.thread) + " (lane " + std::to_string(self.index()) + "), " +
         where.text() + ": " + message);
}

// Waits until all have arrived. The thread that comes last runs `check` before the others go on.
template <class Check>
void meet(Rendezvous& meeting, Operation operation, int first_thread, Check check) {
    Block& block = *self.block;
    int round = meeting.round.load(std::memory_order_relaxed);
    block.set(self.thread, operation, meeting.mask);
    if (meeting.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 < meeting.size) {
        block.count_idle(1);
        while (meeting.round.load(std::memory_order_acquire) == round)
            meeting.round.wait(round, std::memory_order_acquire);
        return;
    }
    check();
    for (int k = 0; k < (meeting.mask ? 32 : block.size); ++k) {
        if (!meeting.mask || meeting.mask >> k & 1u) block.set(first_thread + k, Operation::none, 0);
    }
    block.idle.fetch_sub(meeting.size - 1, std::memory_order_relaxed);
    block.progress.fetch_add(1, std::memory_order_relaxed);
    meeting.arrived.store(0, std::memory_order_relaxed);
    meeting.round.store(round + 1, std::memory_order_release);
    meeting.round.notify_all();
}

// The arrivals of all lanes of the mask, by lane.
inline const Arrival* exchange(std::uint32_t mask, const Arrival& mine) {
    if (!self.block) fail(std::string(name(mine.operation)) + " outside a kernel");
    Block& block = *self.block;
    const int lane = self.index(), first_thread = self.thread - lane;
    const State here{mine.operation, mask};
    if (!here.waits_for(lane)) fail_here(here, "the calling lane is not in the mask");
    for (int k = 0; k < 32; ++k) {
        if (!(mask >> k & 1u)) continue;
        if (first_thread + k >= block.size) {
            fail_here(here, "lane " + std::to_string(k) + " of the mask does not exist in a block of " +
                                std::to_string(block.size));
        }
        const State other = block.state(first_thread + k);
        if (other.operation == Operation::exited)
            fail_here(here, "lane " + std::to_string(k) + " of the mask has exited");
        // Two lanes that wait for each other with different masks never meet. (A lane that waits with a mask without
        // this one may still come.)
        if (other.waits_for(lane) && other.mask != mask) {
            fail_here(here, "lane " + std::to_string(k) + " of the mask waits in " + other.text());
        }
    }
    if (!self.last || self.last->mask != mask) {
        Warp& warp = block.warps[self.thread / 32];
        std::lock_guard lock(warp.mutex);
        self.last = &warp.meetings.try_emplace(mask, mask, std::popcount(mask)).first->second;
    }
    Rendezvous& meeting = *self.last;
    Arrival* arrivals = meeting.arrivals[meeting.round.load(std::memory_order_relaxed) & 1];
    arrivals[lane] = mine;
    meet(meeting, mine.operation, first_thread, [&] {
        for (int k = 0; k < 32; ++k) {
            if ((mask >> k & 1u) && !arrivals[k].agrees(mine)) {
                fail_here(here, "lanes disagree: this one calls " + mine.text() + ", lane " + std::to_string(k) +
                                    " calls " + arrivals[k].text());
            }
        }
    });
    return arrivals;
}

template <class T>
constexpr char type_letter = std::is_floating_point_v<T> ? (sizeof(T) == 4 ? 'f' : 'd') : (sizeof(T) == 4 ? 'i' : 'l');

// PTX ISA, shfl.sync: `source` is the lane read; where it falls outside the segment a lane keeps its own value.
template <class T>
T shuffle(Operation operation, std::uint32_t mask, T value, int operand, int width) {
    const State here{operation, mask};
    if (width < 1 || width > 32 || (width & (width - 1)))
        fail_here(here, "width " + std::to_string(width) + " is not a power of two up to 32");
    std::uint64_t word;
    if constexpr (sizeof(T) == 4) {
        word = std::bit_cast<std::uint32_t>(value);
    } else {
        word = std::bit_cast<std::uint64_t>(value);
    }
    const Arrival* arrivals = exchange(mask, {operation, type_letter<T>, width, word});
    const int lane = self.index(), lowest = lane & ~(width - 1), highest = lowest + width - 1;
    int source = lane;
    if (operation == Operation::shfl) source = lowest + (operand & (width - 1));
    if (operation == Operation::shfl_xor) source = lane ^ (operand & 31);
    if (operation == Operation::shfl_up) source = lane - (operand & 31);
    if (operation == Operation::shfl_down) source = lane + (operand & 31);
    if (source > highest || (operation == Operation::shfl_up && source < lowest)) source = lane;
    if (!(mask >> source & 1u)) fail_here(here, "source lane " + std::to_string(source) + " is not in the mask");
    if constexpr (sizeof(T) == 4) {
        return std::bit_cast<T>(static_cast<std::uint32_t>(arrivals[source].value));
    } else {
        return std::bit_cast<T>(arrivals[source].value);
    }
}

inline std::uint32_t votes(Operation operation, std::uint32_t mask, int predicate) {
    const Arrival* arrivals = exchange(mask, {operation, ' ', 32, predicate != 0});
    std::uint32_t result = 0;
    for (int k = 0; k < 32; ++k) {
        if ((mask >> k & 1u) && arrivals[k].value) result |= 1u << k;
    }
    return result;
}

inline void leave() {
    Block& block = *self.block;
    block.set(self.thread, Operation::exited, 0);
    if (block.everyone.arrived.load(std::memory_order_relaxed)) {
        fail_here({Operation::exited, 0}, "other threads wait in __syncthreads:" + block.situation());
    }
    const int lane = self.index(), first_thread = self.thread - lane;
    for (int k = 0; k < 32 && first_thread + k < block.size; ++k) {
        const State other = block.state(first_thread + k);
        if (other.waits_for(lane))
            fail_here({Operation::exited, 0}, "lane " + std::to_string(k) + " waits for it in " + other.text());
    }
    block.progress.fetch_add(1, std::memory_order_relaxed);
    block.count_idle(Block::one_exited + 1);
}

// Aborts when nobody got anywhere in EMULATION_TIMEOUT seconds of the processors' time, or in thirty times as many by the clock: on
// a busy machine those pass by themselves.
class Watchdog {
    std::mutex mutex;
    std::condition_variable condition;
    bool done = false;
    std::thread thread;

public:
    explicit Watchdog(const Block& block) {
        thread = std::thread([this, &block] {
            std::unique_lock lock(mutex);
            std::clock_t spent = std::clock();
            auto moved = std::chrono::system_clock::now();
            for (std::uint64_t before = block.progress.load(std::memory_order_relaxed);;) {
                // The system clock: waiting on the steady one is unknown to the thread sanitizers of some compilers.
                auto end = std::chrono::system_clock::now() + std::chrono::seconds(EMULATION_TIMEOUT);
                if (condition.wait_until(lock, end, [this] { return done; })) return;
                std::uint64_t now = block.progress.load(std::memory_order_relaxed);
                if (now != before) {
                    before = now, spent = std::clock(), moved = end;
                } else if (std::clock() - spent >= std::clock_t(EMULATION_TIMEOUT) * CLOCKS_PER_SEC ||
                           end - moved >= std::chrono::seconds(30 * EMULATION_TIMEOUT)) {
                    fail("no progress for " + std::to_string(EMULATION_TIMEOUT) + " s:" + block.situation());
                }
            }
        });
    }
    ~Watchdog() {
        {
            std::lock_guard lock(mutex);
            done = true;
        }
        condition.notify_one();
        thread.join();
    }
};

}  // namespace emulation

// Runs `kernel()` as every thread of every block. One launch at a time: shared memory is static.
template <class Kernel>
void emulate(dim3 grid, dim3 block, Kernel kernel) {
    static std::mutex one_launch;
    std::lock_guard lock(one_launch);
    const int size = static_cast<int>(block.count());
    if (size < 1 || size > 1024) emulation::fail("a block of " + std::to_string(size) + " threads: give 1 to 1024");
    emulation::Block team(size);
    emulation::Watchdog watchdog(team);
    std::barrier between_blocks(size, [&team]() noexcept { team.restart(); });
    auto work = [&](int thread) {
        const unsigned t = static_cast<unsigned>(thread);
        threadIdx = {t % block.x, t / block.x % block.y, t / (block.x * block.y)};
        blockDim = block;
        gridDim = grid;
        emulation::self = {&team, nullptr, thread};
        for (unsigned b = 0; b < grid.count(); ++b) {
            blockIdx = {b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y)};
            kernel();
            emulation::leave();
            between_blocks.arrive_and_wait();
        }
    };
    std::vector<std::thread> threads;
    for (int thread = 0; thread < size; ++thread) threads.emplace_back(work, thread);
    for (std::thread& thread : threads) thread.join();
}

// ---- what the kernels call

inline void __syncthreads() {
    using namespace emulation;
    if (!self.block) fail("__syncthreads outside a kernel");
    if (self.block->exited())
        fail_here({Operation::barrier, 0}, "other threads have exited:" + self.block->situation());
    meet(self.block->everyone, Operation::barrier, 0, [] {});
}
inline void __syncwarp(unsigned mask = 0xffffffffu) { emulation::exchange(mask, {emulation::Operation::syncwarp}); }
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    return emulation::votes(emulation::Operation::ballot, mask, predicate);
}
inline int __any_sync(unsigned mask, int predicate) {
    return emulation::votes(emulation::Operation::any, mask, predicate) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
    return emulation::votes(emulation::Operation::all, mask, predicate) == mask;
}

// The same overloads as CUDA, so that other types convert, or fail to compile, as they do there.
#define EMULATION_SHUFFLES(T)                                                                       \
    inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {                      \
        return emulation::shuffle(emulation::Operation::shfl, mask, value, source, width);          \
    }                                                                                               \
    inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {               \
        return emulation::shuffle(emulation::Operation::shfl_xor, mask, value, lane_mask, width);   \
    }                                                                                               \
    inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {               \
        return emulation::shuffle(emulation::Operation::shfl_up, mask, value, int(delta), width);   \
    }                                                                                               \
    inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {             \
        return emulation::shuffle(emulation::Operation::shfl_down, mask, value, int(delta), width); \
    }
EMULATION_SHUFFLES(int)
EMULATION_SHUFFLES(unsigned)
EMULATION_SHUFFLES(long)
EMULATION_SHUFFLES(unsigned long)
EMULATION_SHUFFLES(long long)
EMULATION_SHUFFLES(unsigned long long)
EMULATION_SHUFFLES(float)
EMULATION_SHUFFLES(double)
#undef EMULATION_SHUFFLES

namespace emulation {
// Keeps the compiler from fusing a rounded product or sum into a neighbour.
template <class T>
inline T rounded(T value) {
#if defined(__x86_64__)
    asm("" : "+x"(value));
#elif defined(__aarch64__)
    asm("" : "+w"(value));
#endif
    return value;
}
}  // namespace emulation

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float __fmul_rn(float a, float b) { return emulation::rounded(a * b); }
inline float __fadd_rn(float a, float b) { return emulation::rounded(a + b); }
inline float __fsub_rn(float a, float b) { return emulation::rounded(a - b); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline double __dmul_rn(double a, double b) { return emulation::rounded(a * b); }
inline double __dadd_rn(double a, double b) { return emulation::rounded(a + b); }
inline double __dsub_rn(double a, double b) { return emulation::rounded(a - b); }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(std::uint64_t(a) * b >> 32); }
inline unsigned __brev(unsigned a) {
    unsigned r = 0;
    for (int k = 0; k < 32; ++k) r |= (a >> k & 1u) << (31 - k);
    return r;
}
inline int __float_as_int(float a) { return std::bit_cast<int>(a); }
inline float __int_as_float(int a) { return std::bit_cast<float>(a); }
inline unsigned __float_as_uint(float a) { return std::bit_cast<unsigned>(a); }
inline float __uint_as_float(unsigned a) { return std::bit_cast<float>(a); }
inline long long __double_as_longlong(double a) { return std::bit_cast<long long>(a); }
inline double __longlong_as_double(long long a) { return std::bit_cast<double>(a); }
inline float __int2float_rn(int a) { return static_cast<float>(a); }
inline float __uint2float_rn(unsigned a) { return static_cast<float>(a); }
inline int __float2int_rz(float a) {  // saturates; 0 for NaN
    if (std::isnan(a)) return 0;
    if (a >= 2147483648.0f) return std::numeric_limits<int>::max();
    return a < -2147483648.0f ? std::numeric_limits<int>::min() : static_cast<int>(a);
}
template <class T>
T __ldg(const T* address) {
    return *address;
}
inline int atomicAdd(int* address, int value) {
    return std::atomic_ref<int>(*address).fetch_add(value, std::memory_order_relaxed);
}
inline unsigned atomicAdd(unsigned* address, unsigned value) {
    return std::atomic_ref<unsigned>(*address).fetch_add(value, std::memory_order_relaxed);
}
inline unsigned atomicMin(unsigned* address, unsigned value) {
    std::atomic_ref<unsigned> at(*address);
    unsigned before = at.load(std::memory_order_relaxed);
    while (value < before && !at.compare_exchange_weak(before, value, std::memory_order_relaxed)) {
    }
    return before;
}
