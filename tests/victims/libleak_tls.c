/* SPDX-License-Identifier: MIT */
/* A variable of each thread in a library that is loaded late. */
static __thread void *root[1000];

void **leak_tls_root(void);
void **leak_tls_root(void)
{
	return &root[500];
}
