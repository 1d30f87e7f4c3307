#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The fast part of tests/oracle/programs.sh.
exec "$(dirname "$0")/oracle/programs.sh"
