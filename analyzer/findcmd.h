/* SPDX-License-Identifier: MIT */
/* Where the command that is to be recorded lies, and where the recorder does. */
#ifndef LARIAT_FINDCMD_H
#define LARIAT_FINDCMD_H

/*
 * The file that execvp(name) would run. On success *path is the caller's, to be freed. Returns
 * -ENOENT (not found), -EACCES (found, cannot be executed; *path then names it, or is NULL) or
 * another -errno.
 */
int findcmd_path(const char *name, char **path);

/*
 * The recorder's library: $LARIAT_LIB, else liblariat.so beside the running program, else
 * ../lib/lariat/liblariat.so from there. On success *path is absolute and the caller's. On
 * failure returns -errno and *path, when not NULL, is the last place looked at.
 */
int findcmd_library(char **path);

#endif
