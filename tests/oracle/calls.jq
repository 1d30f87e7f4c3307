# SPDX-License-Identifier: MIT
# From the lines of `lariat dump`: per call how often it was made, how often it failed, and the
# bytes of those that did not. What was asked of streams is several calls to a line.
def failed:
	if .kind == "alloc" then .address == 0
	elif .kind == "realloc" then .address == 0 and .size > 0
	elif .kind == "io" or .kind == "map" or .kind == "process" then .result < 0
	else .result // 0 != 0 end;
def bytes:
	if failed then 0
	elif .kind == "alloc" or .kind == "free" then .size
	elif .kind == "realloc" then (if .address == 0 then 0 else .size end)
	elif .kind == "io" then .result
	else 0 end;
reduce (inputs | select(.call)) as $e ({};
	.[$e.call] |= { calls: (.calls + ($e.calls // 1)), errors: (.errors + if ($e | failed) then 1 else 0 end),
			bytes: (.bytes + ($e | bytes)) })
