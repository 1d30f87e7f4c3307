/* SPDX-License-Identifier: MIT */
/*
 * From when on use of I/O is a finding: the one table. --threshold NAME=VALUE changes a row, and
 * lariat(1) has them all.
 */
#ifndef LARIAT_IO_THRESHOLDS_H
#define LARIAT_IO_THRESHOLDS_H

#include <stdint.h>

/* ROW(name, value, what it is of) */
#define IO_THRESHOLDS(ROW)                                                                         \
	ROW(small_calls, 1000, "small reads or writes at a site")                                  \
	ROW(small_bytes, 4096, "that are smaller than this in the mean")                           \
	ROW(merge_bytes, 65536, "buffer that would merge them")                                    \
	ROW(one_byte_calls, 1000, "reads of one byte of a target")                                 \
	ROW(syncs, 100, "fsyncs of a target")                                                      \
	ROW(writes_per_sync, 10, "with fewer writes than this to each")                            \
	ROW(opens, 100, "openings of a target")                                                    \
	ROW(seeks, 1000, "positions set right before a read")                                      \
	ROW(reread_bytes, 1048576, "bytes of a file read again")                                   \
	ROW(reread_percent, 50, "and this much of what was read of it")                            \
	ROW(cache_bytes, 16777216, "cache that is replayed on the reads")                          \
	ROW(random_calls, 1000, "reads or writes of a file at random places")                      \
	ROW(random_percent, 20, "and this much of all of them")                                    \
	ROW(connect_ns, 100000000, "longest time that connecting took")                            \
	ROW(delayed_sends, 10, "small sends in a row with a late answer")                          \
	ROW(delayed_ns, 30000000, "that came after this time")                                     \
	ROW(send_bytes, 1460, "smaller than this is a small send")                                 \
	ROW(unflushed_ns, 5000000000, "that written data stayed in the buffer of a stream")        \
	ROW(unwritten_bytes, 1, "bytes in the buffer of a stream when the process had ended")      \
	ROW(polls, 1000, "waits at a site")                                                        \
	ROW(polls_per_s, 100, "and this often a second")                                           \
	ROW(queries, 100, "questions and answers with a database")

enum io_threshold {
#define ROW(name, value, what) IO_THRESHOLD_##name,
	IO_THRESHOLDS(ROW)
#undef ROW
		IO_THRESHOLD_COUNT
};

struct io_threshold_row {
	const char *name, *what;
	uint64_t value;
};
extern const struct io_threshold_row io_threshold_rows[IO_THRESHOLD_COUNT];

/*
 * The values that count; those of the table unless changed. One thread at a time.
 */
uint64_t io_threshold(enum io_threshold which);

/* "NAME=VALUE", VALUE a number or a size (64K). Returns 0 or -EINVAL. */
int io_threshold_set(const char *text);

#endif
