# Turns benchmark metrics with a unit like "append-vs-raw-pebble>=0.9" into lines
#   bound NAME MEASURED WANTED ok|short
/^Benchmark/ {
	for (i = 3; i < NF; i += 2) {
		if (match($(i + 1), /[<>]=/)) {
			name = substr($(i + 1), 1, RSTART - 1)
			operator = substr($(i + 1), RSTART, 2)
			wanted = substr($(i + 1), RSTART + 2)
			ok = operator == ">=" ? $i + 0 >= wanted + 0 : $i + 0 <= wanted + 0
			lines[++count] = sprintf("bound %s %s %s %s", name, $i, wanted, ok ? "ok" : "short")
		}
	}
}
END { for (i = 1; i <= count; i++) print lines[i] }
