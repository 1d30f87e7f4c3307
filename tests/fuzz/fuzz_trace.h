/* SPDX-License-Identifier: MIT */
/* The entry point that libFuzzer and replay.c call; its name is libFuzzer's. */
#ifndef LARIAT_FUZZ_TRACE_H
#define LARIAT_FUZZ_TRACE_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
