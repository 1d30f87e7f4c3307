# SPDX-License-Identifier: MIT
"""How a test in Python says what holds and what does not: checks are counted, those that fail are
printed as they come, and a test that has checked nothing has failed."""

made = failed = 0


def fail(what):
    global failed
    failed += 1
    print("FAIL: %s" % what, flush=True)


def check(name, good, what):
    """`what` is said where `good` does not hold."""
    global made
    made += 1
    if not good:
        fail("%s: %s" % (name, what))


def same(name, expected, got):
    check(name, expected == got, "expected %r, got %r" % (expected, got))


def finish():
    """The exit status of the test."""
    print("%d checks, %d failed" % (made, failed))
    return 1 if failed or not made else 0
