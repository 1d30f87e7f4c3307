# SPDX-License-Identifier: MIT
# From the lines of `lariat dump`: the sizes of successful allocations, one a line.
select((.kind == "alloc" or .kind == "realloc") and .address != 0) | .size
