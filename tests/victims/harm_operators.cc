// SPDX-License-Identifier: MIT
/* build: -O1 -std=c++17 -fno-builtin */
/* All forms of operator new and delete, with objects of the library's own code among them. */
#include <cstdio>
#include <new>
#include <sstream>
#include <string>
#include <vector>

struct alignas(64) line {
	char c[64];
};

int main()
{
	long sum = 0;

	for (int i = 0; i < 300; i++) {
		std::ostringstream text;
		std::vector<std::string> list;
		void *empty = operator new(0);
		int *one = new int(i), *many = new int[(std::size_t)i + 1];
		int *nothrow = new (std::nothrow) int(i), *none = new (std::nothrow) int[3];
		line *aligned = new line, *lines = new line[2];

		text << "a text too long for the object itself, number " << i;
		list.push_back(text.str());
		list.resize((std::size_t)i + 1);
		many[i] = *one + *nothrow;
		sum += many[i] + (long)list[0].size();
		operator delete(empty);
		operator delete(nullptr);
		delete one;
		delete[] many;
		operator delete(nothrow, std::nothrow);
		delete[] none;
		delete aligned;
		delete[] lines;
	}
	std::printf("sum %ld\n", sum);
	return 0;
}
