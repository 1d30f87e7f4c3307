/* SPDX-License-Identifier: MIT */
/* Functions with the linkage names that rustc gives, of the older and of the newer (v0) scheme. */

int legacy(int n) __asm__("_ZN5hello6worker3run17h05af221e174051e9E");
int legacy_impl(int n) __asm__(
	"_ZN57_$LT$hello..Stack$LT$T$GT$$u20$as$u20$core..ops..Drop$GT$4drop17h0123456789abcdefE");
int v0(int n) __asm__("_RNvNtCs1234_7mycrate3foo3bar");
int v0_generic(int n) __asm__("_RINvNtC3std3mem8align_ofdE");

__attribute__((noinline)) int legacy(int n)
{
	return n * 3 + 1;
}

__attribute__((noinline)) int legacy_impl(int n)
{
	return n * 5 + 1;
}

__attribute__((noinline)) int v0(int n)
{
	return n * 7 + 1;
}

__attribute__((noinline)) int v0_generic(int n)
{
	return n * 9 + 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	return legacy(argc) + legacy_impl(argc) + v0(argc) + v0_generic(argc) == 0;
}
