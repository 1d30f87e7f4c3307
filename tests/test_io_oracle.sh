#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The fast part of tests/oracle/io.sh.
exec "$(dirname "$0")/oracle/io.sh"
