#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The fast part of tests/oracle/heap.sh.
exec "$(dirname "$0")/oracle/heap.sh"
