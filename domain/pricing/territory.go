package pricing

// territories are the countries whose numbers begin like those of a larger one: the members of the North American
// Numbering Plan that are not the United States or Canada, by area code (NANPA), and Kazakhstan under +7. A card that
// lists only the larger country's prefix does not mean them.
var territories = map[string]string{
	"1242": "BS", "1246": "BB", "1264": "AI", "1268": "AG", "1284": "VG", "1340": "VI", "1345": "KY", "1441": "BM",
	"1473": "GD", "1649": "TC", "1658": "JM", "1664": "MS", "1670": "MP", "1671": "GU", "1684": "AS", "1721": "SX",
	"1758": "LC", "1767": "DM", "1784": "VC", "1787": "PR", "1809": "DO", "1829": "DO", "1849": "DO", "1868": "TT",
	"1869": "KN", "1876": "JM", "1939": "PR",
	"76": "KZ", "77": "KZ",
}

// territory returns the country of a dialling prefix and the digits that tell it; empty when the prefix belongs to none
// of the territories.
func territory(prefix string) (country, digits string) {
	for _, n := range [...]int{2, 4} {
		if len(prefix) >= n && territories[prefix[:n]] != "" {
			return territories[prefix[:n]], prefix[:n]
		}
	}
	return "", ""
}
