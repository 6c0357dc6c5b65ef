package ledger

// Market is the segment of accounts that stands for a market.
func Market(name string) string { return market(name) }

// StandsInDebit tells whether the chart expects a debit balance of an account.
func StandsInDebit(path string) bool {
	for i, l := range lines {
		if l.path.MatchString(path) {
			return chart[i].normal == debit
		}
	}
	return false
}
