// SPDX-License-Identifier: MIT
// Names of C++: templates, namespaces, operators, a lambda, local and nameless scopes.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#define NOINLINE __attribute__((noinline))

namespace shapes
{
template <typename T, int N> struct Box {
	T side[N];
	NOINLINE T volume(std::vector<T> const &extra) const;
	NOINLINE bool operator<(Box const &other) const { return side[0] < other.side[0]; }
	NOINLINE explicit operator bool() const { return side[0] != 0; }
};

template <typename T, int N> T Box<T, N>::volume(std::vector<T> const &extra) const
{
	T product = 1;

	for (T s : side)
		product *= s;
	for (T const &e : extra)
		product += e;
	return product;
}

inline namespace v1
{
struct Counter {
	std::map<std::string, int> counts;
	NOINLINE Counter() { counts["made"] = 1; }
	NOINLINE ~Counter() { std::printf("%zu\n", counts.size()); }
	NOINLINE int &operator[](std::string const &key) { return counts[key]; }
};
} // namespace v1
} // namespace shapes

namespace
{
struct Hidden {
	int value;
	NOINLINE int get(int add) const { return value + add; }
};

NOINLINE int secret(int n)
{
	return n * 7;
}

inline int folded(int n)
{
	return secret(n) + Hidden{ n }.get(1);
}
} // namespace

extern "C" NOINLINE int plain_c(int n)
{
	return n + 3;
}

template <typename F> NOINLINE int twice(F f, int n)
{
	return f(n) + f(n + 1);
}

static NOINLINE int with_local_class(int n)
{
	struct Local {
		static NOINLINE int run(int k) { return k * 5; }
	};
	return Local::run(n);
}

int main(int argc, char **)
{
	shapes::Box<double, 3> box{ { 1.0, 2.0, double(argc) } };
	shapes::Box<int, 2> small{ { argc, 2 } };
	shapes::Counter counter;
	auto add = [&](int k) NOINLINE { return counter["x"] += k; };

	counter["a"] = folded(argc) + plain_c(argc) + with_local_class(argc);
	std::printf("%g %d %d %d %d\n", box.volume({ 1.0, 2.0 }), small.volume({ 3 }),
		    small < small, bool(box), twice(add, argc));
}
