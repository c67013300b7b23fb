// The instructions that vector types do not reach by operators, for the sizes of packs that have them; included by tile.cuh.
//
// g++ calls them by the names that its own <immintrin.h> gives them, where it has them: reading that header takes it a third of
// the time that a program takes. ENSEMBLE_INTRINSICS has it read all the same (tests).
#pragma once

#if defined(__x86_64__) && (PACK_BYTES == 64 || (PACK_BYTES >= 16 && defined(__AVX2__) && defined(__FMA__)))
#define HAS_NATIVE 1
typedef int native_words __attribute__((vector_size(pack_bytes)));
typedef long long native_products __attribute__((vector_size(pack_bytes)));
#else
#define HAS_NATIVE 0
#endif

#if defined(__clang__) || !defined(__has_builtin) || defined(ENSEMBLE_INTRINSICS)
#define HAS_BUILTINS 0
#elif !HAS_NATIVE
#define HAS_BUILTINS (__has_builtin(__builtin_ia32_stmxcsr) && __has_builtin(__builtin_ia32_ldmxcsr))
#elif PACK_BYTES == 64
#define HAS_BUILTINS                                                                                   \
    (__has_builtin(__builtin_ia32_vfmaddpd512_mask) && __has_builtin(__builtin_ia32_sqrtpd512_mask) && \
     __has_builtin(__builtin_ia32_pmuludq512_mask) && __has_builtin(__builtin_ia32_ptestmq512))
#elif PACK_BYTES == 32
#define HAS_BUILTINS                                                                         \
    (__has_builtin(__builtin_ia32_vfmaddpd256) && __has_builtin(__builtin_ia32_sqrtpd256) && \
     __has_builtin(__builtin_ia32_pmuludq256))
#else
#define HAS_BUILTINS                                                                   \
    (__has_builtin(__builtin_ia32_vfmaddpd) && __has_builtin(__builtin_ia32_sqrtpd) && \
     __has_builtin(__builtin_ia32_pmuludq128))
#endif

#if HAS_BUILTINS
#define READ_CONTROL __builtin_ia32_stmxcsr
#define WRITE_CONTROL __builtin_ia32_ldmxcsr
#elif defined(__x86_64__)
#include <immintrin.h>
#define READ_CONTROL _mm_getcsr
#define WRITE_CONTROL _mm_setcsr
#endif

#if HAS_NATIVE && HAS_BUILTINS && PACK_BYTES == 64
constexpr int as_set = 4;  // rounded as the control register says
#define NATIVE_MULTIPLY(a, b) \
    __builtin_ia32_pmuludq512_mask((native_words)(a), (native_words)(b), (native_products)(a), -1)
#define NATIVE_ANY(a) (__builtin_ia32_ptestmq512((native_products)(a), (native_products)(a), -1) != 0)
#if ENSEMBLE_DOUBLE
#define NATIVE_MULADD(a, b, c) __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, as_set)
#define NATIVE_SQRT(a) __builtin_ia32_sqrtpd512_mask(a, a, -1, as_set)
#else
#define NATIVE_MULADD(a, b, c) __builtin_ia32_vfmaddps512_mask(a, b, c, -1, as_set)
#define NATIVE_SQRT(a) __builtin_ia32_sqrtps512_mask(a, a, -1, as_set)
#endif
#elif HAS_NATIVE && HAS_BUILTINS && PACK_BYTES == 32
#define NATIVE_MULTIPLY(a, b) __builtin_ia32_pmuludq256((native_words)(a), (native_words)(b))
#if ENSEMBLE_DOUBLE
#define NATIVE_MULADD(a, b, c) __builtin_ia32_vfmaddpd256(a, b, c)
#define NATIVE_SQRT(a) __builtin_ia32_sqrtpd256(a)
#else
#define NATIVE_MULADD(a, b, c) __builtin_ia32_vfmaddps256(a, b, c)
#define NATIVE_SQRT(a) __builtin_ia32_sqrtps256(a)
#endif
#elif HAS_NATIVE && HAS_BUILTINS
#define NATIVE_MULTIPLY(a, b) __builtin_ia32_pmuludq128((native_words)(a), (native_words)(b))
#if ENSEMBLE_DOUBLE
#define NATIVE_MULADD(a, b, c) __builtin_ia32_vfmaddpd(a, b, c)
#define NATIVE_SQRT(a) __builtin_ia32_sqrtpd(a)
#else
#define NATIVE_MULADD(a, b, c) __builtin_ia32_vfmaddps(a, b, c)
#define NATIVE_SQRT(a) __builtin_ia32_sqrtps(a)
#endif
#elif HAS_NATIVE && PACK_BYTES == 64
#define NATIVE_MULTIPLY(a, b) _mm512_mul_epu32((__m512i)(a), (__m512i)(b))
#define NATIVE_ANY(a) (_mm512_test_epi64_mask((__m512i)(a), (__m512i)(a)) != 0)
#if ENSEMBLE_DOUBLE
#define NATIVE_MULADD(a, b, c) _mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c))
#define NATIVE_SQRT(a) _mm512_sqrt_pd((__m512d)(a))
#else
#define NATIVE_MULADD(a, b, c) _mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c))
#define NATIVE_SQRT(a) _mm512_sqrt_ps((__m512)(a))
#endif
#elif HAS_NATIVE && PACK_BYTES == 32
#define NATIVE_MULTIPLY(a, b) _mm256_mul_epu32((__m256i)(a), (__m256i)(b))
#if ENSEMBLE_DOUBLE
#define NATIVE_MULADD(a, b, c) _mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c))
#define NATIVE_SQRT(a) _mm256_sqrt_pd((__m256d)(a))
#else
#define NATIVE_MULADD(a, b, c) _mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#define NATIVE_SQRT(a) _mm256_sqrt_ps((__m256)(a))
#endif
#elif HAS_NATIVE
#define NATIVE_MULTIPLY(a, b) _mm_mul_epu32((__m128i)(a), (__m128i)(b))
#if ENSEMBLE_DOUBLE
#define NATIVE_MULADD(a, b, c) _mm_fmadd_pd((__m128d)(a), (__m128d)(b), (__m128d)(c))
#define NATIVE_SQRT(a) _mm_sqrt_pd((__m128d)(a))
#else
#define NATIVE_MULADD(a, b, c) _mm_fmadd_ps((__m128)(a), (__m128)(b), (__m128)(c))
#define NATIVE_SQRT(a) _mm_sqrt_ps((__m128)(a))
#endif
#endif
