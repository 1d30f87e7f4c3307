/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -lm -frounding-math */
/*
 * Prints what a process can see of itself that a recorder might change: threads, signals,
 * descriptors, limits, environment, folder, timers, floating-point state and results.
 */
#include <dirent.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void status_lines(void)
{
	static const char *const wanted[] = { "Name:",	     "Umask:",	 "Threads:",   "SigQ:0",
					      "SigPnd:",     "SigBlk:",	 "SigIgn:",    "SigCgt:",
					      "NoNewPrivs:", "Seccomp:", "TracerPid:", "FDSize:" };
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				fputs(line, stdout);
	if (f)
		fclose(f);
}

static void descriptors(void)
{
	char path[300], name[300];
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/fd");
	ssize_t n;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		n = readlink(path, name, sizeof(name) - 1);
		if (n <= 0)
			continue;
		name[n] = 0;
		/* files of the standard streams have the run's name in them */
		printf("fd %s%s\n", entry->d_name,
		       atoi(entry->d_name) < 3 ? ""
		       : strstr(name, "/fd")   ? " its own folder"
					       : name);
	}
	if (dir)
		closedir(dir);
}

static void environment(void)
{
	int unknown = 0;

	for (char **e = environ; *e; e++) {
		if (!strncmp(*e, "LD_PRELOAD=", 11) || !strncmp(*e, "LARIAT_", 7) ||
		    !strncmp(*e, "_=", 2))
			continue;
		unknown++;
	}
	printf("%d variables\n", unknown);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;

		getrlimit((__rlimit_resource_t)i, &limit);
		printf("limit %d: %lu %lu\n", i, (unsigned long)limit.rlim_cur,
		       (unsigned long)limit.rlim_max);
	}
}

/* Rounding, exception flags and values in registers live across allocations and I/O. */
static void floating(void)
{
	double sum = 0, product = 1;
	long double tiny = 1.0L;

	feclearexcept(FE_ALL_EXCEPT);
	fesetround(FE_DOWNWARD);
	for (int i = 1; i <= 200000; i++) {
		void *p = malloc((size_t)i % 777 + 1);

		sum += sqrt(i) * 1.000001;
		product = product * 1.0001 / 1.00009;
		tiny = tiny / 3.0L + 0.1L;
		free(p);
	}
	printf("%.17g %.17g %.20Lg\n", sum, product, tiny);
	feclearexcept(FE_ALL_EXCEPT);
	for (int i = 1; i <= 200000; i++)
		free(malloc(10));
	printf("rounding %d, flags %d\n", fegetround() == FE_DOWNWARD, fetestexcept(FE_ALL_EXCEPT));
	fesetround(FE_TONEAREST);
}

int main(int argc, char **argv)
{
	struct itimerval timer;
	char name[20] = "", here[4096];

	printf("%d arguments, %s\n", argc, strrchr(argv[0], '/'));
	status_lines();
	descriptors();
	environment();
	floating();
	for (int which = 0; which < 3; which++) {
		getitimer((__itimer_which_t)which, &timer);
		printf("timer %ld %ld\n", timer.it_value.tv_sec, timer.it_interval.tv_usec);
	}
	prctl(PR_GET_NAME, name);
	printf("name %s, dumpable %d, umask %o, priority %d\n", name, prctl(PR_GET_DUMPABLE),
	       umask(0), getpriority(PRIO_PROCESS, 0));
	printf("folder %s\n", getcwd(here, sizeof(here)) ? here : "?");
	printf("child left over: %d\n", waitpid(-1, NULL, WNOHANG));
	status_lines();
	return 0;
}
