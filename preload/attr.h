/* SPDX-License-Identifier: MIT */
/* Compiler attributes used throughout the recorder. */
#ifndef LARIAT_ATTR_H
#define LARIAT_ATTR_H

#define LAR_EXPORT __attribute__((visibility("default")))
/* Of a variable of ours in another file: it is here, and needs no look at where. */
#define LAR_LOCAL     __attribute__((visibility("hidden")))
#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define lar_noinline  __attribute__((__noinline__))
#define lar_cold      __attribute__((__cold__, __noinline__))
#define always_inline inline __attribute__((always_inline))

/* The compiler is not to find a pointer out again from what it was made of. */
#define lar_kept(pointer) __asm__("" : "+r"(pointer))

/* Initial-exec storage: one instruction away, never allocated on first touch. */
#define LAR_TLS __thread __attribute__((tls_model("initial-exec")))

#endif
