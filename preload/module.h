/* SPDX-License-Identifier: MIT */
/* The loaded objects that stacks mention, entered in the trace's dictionary when first seen. */
#ifndef LARIAT_MODULE_H
#define LARIAT_MODULE_H

struct cfi_object;

/* Enters the object unless it is there. Takes a lock with signals blocked; any context. */
void module_register(const struct cfi_object *object);

/*
 * A library was unloaded: looks which registered modules are gone, says so in the dictionary and
 * forgets their rules. Call without the loader's lock held by a waiting thread.
 */
void module_check_unloaded(void);

#endif
