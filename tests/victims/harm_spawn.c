/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Starts programs in every way (vfork and exec, posix_spawn, posix_spawnp, system, popen, fork and
 * each exec), also ones that are not there, while another thread allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile int stop;

static void *churn(void *arg)
{
	while (!stop)
		free(realloc(malloc(100), 300));
	return arg;
}

static int code(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void vforks(void)
{
	char *args[] = { "sh", "-c", "exit 5", NULL };
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		pid = vfork();
		if (!pid) {
			execv("/bin/sh", args);
			_exit(99);
		}
		printf("vfork %d\n", code(pid));
	}
	pid = vfork();
	if (!pid) {
		execv("/no/such/program", args);
		_exit(98);
	}
	printf("vfork, not there %d\n", code(pid));
}

static void spawns(void)
{
	char *args[] = { "sh", "-c", "kill -TERM $$", NULL };
	pid_t pid;
	posix_spawn_file_actions_t actions;

	for (int i = 0; i < 5; i++)
		printf("spawn %d", posix_spawn(&pid, "/bin/sh", NULL, NULL, args, environ)),
			printf(" %d\n", code(pid));
	args[2] = "echo from the child; exit 4";
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "spawned", O_WRONLY | O_CREAT, 0600);
	printf("spawnp %d", posix_spawnp(&pid, "sh", &actions, NULL, args, environ));
	printf(" %d\n", code(pid));
	posix_spawn_file_actions_destroy(&actions);
	printf("spawn, not there %d\n",
	       posix_spawn(&pid, "/no/such/program", NULL, NULL, args, environ) == ENOENT);
}

static void shells(void)
{
	char line[100];
	FILE *f;

	fflush(stdout);
	printf("system %d\n", WEXITSTATUS(system("echo from system; exit 3")));
	f = popen("echo from popen; exit 2", "r");
	if (f && fgets(line, sizeof(line), f))
		printf("popen %s", line);
	printf("pclose %d\n", WEXITSTATUS(pclose(f)));
	fflush(stdout);
	f = popen("cat", "w");
	fprintf(f, "to cat\n");
	printf("pclose %d\n", WEXITSTATUS(pclose(f)));
}

static void exec_one(int way)
{
	char *args[] = { "sh", "-c", "exit $((way + 10))", NULL };
	char *env[] = { getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") - strlen("LD_PRELOAD=") : "A=1",
			"way=0", NULL };
	static char way_text[] = "way=0";

	way_text[4] = (char)('0' + way);
	env[1] = way_text;
	putenv(way_text);
	switch (way) {
	case 0:
		execve("/bin/sh", args, env);
		break;
	case 1:
		execv("/bin/sh", args);
		break;
	case 2:
		execvp("sh", args);
		break;
	case 3:
		execvpe("sh", args, env);
		break;
	case 4:
		execl("/bin/sh", "sh", "-c", args[2], NULL);
		break;
	case 5:
		execlp("sh", "sh", "-c", args[2], NULL);
		break;
	case 6:
		execle("/bin/sh", "sh", "-c", args[2], NULL, env);
		break;
	case 7:
		fexecve(open("/bin/sh", O_RDONLY), args, env);
		break;
	case 8:
		execveat(AT_FDCWD, "/bin/sh", args, env, 0);
		break;
	}
	_exit(97);
}

int main(void)
{
	pthread_t thread;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pthread_create(&thread, NULL, churn, NULL);
	vforks();
	spawns();
	shells();
	for (int way = 0; way < 9; way++) {
		pid_t pid = fork();

		if (!pid)
			exec_one(way);
		printf("exec %d: %d\n", way, code(pid));
	}
	stop = 1;
	pthread_join(thread, NULL);
	return 0;
}
