// Parameters that are arrays.
#pragma once
#include "../base.cuh"

// Numbers that are read again in every step: a compiler that kept them all in registers would spill what matters more.
template <class T>
HD const T* read_again(const T* numbers) {
#if defined(__CUDACC__)
    asm volatile("" : "+l"(numbers));
#endif
    return numbers;
}

// One number for each coordinate, from numbers that nobody padded.
struct Slice : Expression {
    static constexpr bool pointwise = true;
    const real* numbers;
    HD Slice(const real* numbers_) : numbers(numbers_) {}
    HD Quad<real> at(int j) const {
        Quad<real> r;
        EACH_COORDINATE r.c[c] = is_coordinate(j, c) ? numbers[block_width * block_of(j) + c] : real(0);
        return r;
    }
};
// Numbers of any shape in C order, the same for every configuration.
struct Array {
#if !ENSEMBLE_DEVICE && ENSEMBLE_MIXED
    const real* numbers[width];
    HD const real* data() const { return numbers[0]; }
#else
    const real* numbers;
    HD const real* data() const { return numbers; }
#endif
    HD real operator[](int i) const { return data()[i]; }
    HD Slice row(int i) const { return Slice(read_again(data()) + (long long)i * dim()); }  // of an array (rows, dim)
};
