/* SPDX-License-Identifier: MIT */
/* Services by port and path; see io_service.h. */
#include "io_service.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { POSTGRESQL, MYSQL, REDIS, MEMCACHED, MONGODB, HTTP, HTTPS, DNS, SQLITE };

static const struct io_service services[] = {
	[POSTGRESQL] = { "PostgreSQL", true }, [MYSQL] = { "MySQL", true },
	[REDIS] = { "Redis", true },	       [MEMCACHED] = { "memcached", true },
	[MONGODB] = { "MongoDB", true },       [HTTP] = { "HTTP", false },
	[HTTPS] = { "HTTPS", false },	       [DNS] = { "DNS", false },
	[SQLITE] = { "SQLite", false },
};

static const struct {
	unsigned port, service;
} ports[] = {
	{ 5432, POSTGRESQL }, { 3306, MYSQL },	  { 33060, MYSQL }, { 6379, REDIS },
	{ 11211, MEMCACHED }, { 27017, MONGODB }, { 80, HTTP },	    { 8080, HTTP },
	{ 443, HTTPS },	      { 8443, HTTPS },	  { 53, DNS },
};

/* Parts of paths of sockets. */
static const struct {
	const char *part;
	unsigned service;
} paths[] = {
	{ ".s.PGSQL.", POSTGRESQL }, { "mysqld.sock", MYSQL },	 { "mysql.sock", MYSQL },
	{ "redis", REDIS },	     { "memcached", MEMCACHED }, { "mongodb-", MONGODB },
};

static const struct {
	const char *end;
} sqlite_ends[] = { { ".sqlite" }, { ".sqlite3" }, { ".db-journal" }, { ".db-wal" } };

static const struct io_service *by_port(const char *name)
{
	const char *colon = strrchr(name, ':');
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (ports[i].port == port)
			return &services[ports[i].service];
	return NULL;
}

const struct io_service *io_service_of(const struct trace_target *t)
{
	const char *name = t->name;
	unsigned kind = t->kind;

	if (t->holds == LAR_HOLDS_SQLITE)
		return &services[SQLITE];
	if (kind == LAR_TARGET_FILE) {
		size_t n = strlen(name);

		for (size_t i = 0; i < sizeof(sqlite_ends) / sizeof(sqlite_ends[0]); i++) {
			size_t e = strlen(sqlite_ends[i].end);

			if (n > e && !strcmp(name + n - e, sqlite_ends[i].end))
				return &services[SQLITE];
		}
		return NULL;
	}
	if (kind != LAR_TARGET_SOCKET)
		return NULL;
	if (!strncmp(name, "tcp ", 4) || !strncmp(name, "udp ", 4))
		return by_port(name);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!strncmp(name, "unix ", 5) && strstr(name, paths[i].part))
			return &services[paths[i].service];
	return NULL;
}
