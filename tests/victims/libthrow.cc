// SPDX-License-Identifier: MIT
/* build: -std=c++17 */
/*
 * A C++ library for a C program: throws, catches, and throws through the caller's frames. What it
 * needs of the C++ runtime comes in only with it.
 */
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <vector>

static int once_value;

static void throw_from_once()
{
	throw once_value;
}

extern "C" int throw_and_catch(int n)
{
	pthread_once_t once = PTHREAD_ONCE_INIT;
	int sum = 0;

	try {
		std::vector<std::string> texts((std::size_t)n % 20, std::string(50, 'x'));
		throw std::runtime_error(std::string((std::size_t)n % 30, 'e'));
	} catch (const std::exception &e) {
		sum += (int)std::string(e.what()).size();
	}
	try {
		once_value = n;
		pthread_once(&once, throw_from_once);
	} catch (int value) {
		sum += value;
	}
	try {
		std::vector<int>().at((std::size_t)n);
	} catch (const std::out_of_range &) {
		sum++;
	}
	return sum;
}

extern "C" void throw_value(int value)
{
	throw value;
}

extern "C" int catch_from(void (*function)(int), int value)
{
	try {
		function(value);
	} catch (int caught) {
		return caught;
	}
	return -1000000;
}
