/* SPDX-License-Identifier: MIT */
/* C++ containers at work: load_containers ROUNDS; a round is some 1100 calls of the heap. */
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace
{

struct shape {
	virtual ~shape() = default;
	virtual int size() const = 0;
};

struct circle : shape {
	int radius;

	explicit circle(int r) : radius(r) {}
	int size() const override { return radius; }
};

struct label : shape {
	std::string text;

	explicit label(std::string t) : text(std::move(t)) {}
	int size() const override { return static_cast<int>(text.size()); }
};

std::string key_of(int i)
{
	return "a key too long for the string object itself: " + std::to_string(i * 7919 % 1000003);
}

long words(int round)
{
	std::map<std::string, std::vector<int>> sorted;

	for (int i = 0; i < 60; i++)
		sorted[key_of(i % 40)].push_back(round + i);
	return static_cast<long>(sorted.size());
}

long numbers(int round)
{
	std::unordered_map<int, std::string> table;

	for (int i = 0; i < 100; i++)
		table[round + i * 31] = key_of(i);
	for (int i = 0; i < 50; i++)
		table.erase(round + i * 62);
	return static_cast<long>(table.size());
}

long shapes(int round)
{
	std::list<std::unique_ptr<shape>> all;
	long sum = 0;

	for (int i = 0; i < 60; i++) {
		if ((round + i) % 3)
			all.push_back(std::make_unique<circle>(i));
		else
			all.push_back(std::make_unique<label>(key_of(i)));
	}
	for (const auto &s : all)
		sum += s->size();
	return sum;
}

} // namespace

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? std::atoi(argv[1]) : 0;
	long sum = 0;

	for (int round = 0; round < rounds; round++)
		sum += words(round) + numbers(round) + shapes(round);
	std::printf("sum %ld\n", sum);
	return 0;
}
