package scenario

import "os"

// Often runs the check of a property as often as tests are to be thorough: once, and with DAYBOOK_TEST_LONG=1 a hundred
// times, each with other cases. So rapid's hundred cases are ten thousand.
func Often(check func()) {
	times := 1
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		times = 100
	}
	for range times {
		check()
	}
}
