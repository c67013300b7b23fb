// What a page calls of one compiled program: memory that it writes into, and the loop. Included after the program itself.
#pragma once
#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

extern "C" char __heap_base;
static unsigned long top;
// So many bytes, from a multiple of 64 on; they are never given back.
EXPORT(take) void* take(unsigned long bytes) {
    if (!top) top = ((unsigned long)&__heap_base + 63) / 64 * 64;
    const unsigned long at = top, page = 65536;
    top = (top + bytes + 63) / 64 * 64;
    const unsigned long pages = __builtin_wasm_memory_size(0);
    if (top > pages * page &&
        __builtin_wasm_memory_grow(0, (top - pages * page + page - 1) / page) == (unsigned long)-1)
        __builtin_trap();
    return (void*)at;
}
// Compilers may write loops as calls of these.
extern "C" void* memcpy(void* to, const void* from, unsigned long n) {
    char* a = (char*)to;
    const char* b = (const char*)from;
    for (unsigned long i = 0; i < n; ++i) a[i] = b[i];
    return to;
}
extern "C" void* memset(void* to, int value, unsigned long n) {
    char* a = (char*)to;
    for (unsigned long i = 0; i < n; ++i) a[i] = (char)value;
    return to;
}

#ifdef EXPLORER_PARTS
using Explored = Parts<EXPLORER_PARTS>;
static Launch launch;
EXPORT(size) int size() { return int(sizeof(Explored)); }
// Where member k of the program's list lies in its struct.
EXPORT(offset) int offset(int k) {
    switch (k) { EXPLORER_MEMBERS }
    return -1;
}
EXPORT(row_size) int row_size() { return Explored::table_row; }
EXPORT(setup)
void setup(const void* parameters, const int* active, real* x, real* vectors, int* event_step, int* event,
           int* diverged_step, const unsigned* keys, int count, int stop) {
    launch.parameters = parameters;
    launch.active = active;
    launch.x = x;
    launch.vectors = vectors;
    launch.event_step = event_step;
    launch.event = event;
    launch.diverged_step = diverged_step;
    launch.rows = launch.instances = launch.alike = launch.count = count;
    launch.team = launch.together = launch.check_every = 1;
    launch.dim = ENSEMBLE_DIM;
    launch.stop = stop;
    launch.bound = real(1e18);
    for (int i = 0; i < 2 * philox_rounds; ++i) launch.keys.word[i] = keys[i];
}
// Steps first to last of all; the rows of `tables` are theirs.
EXPORT(run) int run(const real* tables, int first, int last, char* arena, int bytes) {
    launch.tables = tables;
    launch.first = first;
    launch.last = last;
    return advance(&launch, 0, launch.count / width, arena, bytes);
}
// f at `count` points, whole tiles of them: what contours are drawn of.
struct At {
    int t;
};
EXPORT(values)
void values(const void* parameters, const int* active, const real* x, real* out, int count, char* arena, int bytes) {
    open_workspace(ENSEMBLE_DIM, arena, bytes);
    for (int tile = 0; tile < count / width; ++tile) {
        const Rows rows(active + tile * width);
        Vec here;
        load_rows(here, rows, x);
        save_lanes(rows, rows.present, ((const Explored*)parameters)->landscape.value(here, At{0}), out, 1);
    }
}
#else
static DrawLaunch drawing;
// Draws of `what` (0 normals, 1 uniforms) for instances 0 to count - 1, from a stream at a step: (count, dim).
EXPORT(draws)
void draws(real* out, const unsigned* ids, const unsigned* keys, int count, int dim, int step, int stream, int what) {
    drawing.out = out;
    drawing.instance = ids;
    drawing.count = count;
    drawing.dim = dim;
    drawing.step = unsigned(step);
    drawing.stream = unsigned(stream);
    drawing.what = what;
    for (int i = 0; i < 2 * philox_rounds; ++i) drawing.keys.word[i] = keys[i];
    draw(&drawing, 0, count);
}
#endif
