package demo

import "fmt"

// person is an invented customer. The numbers are reserved for fiction or all zeros.
type person struct {
	name   string
	number string // digits with the calling code first; "" for one whose number the platform hides
	userID string // the business-scoped user id that names such a one
}

// address is how the business writes to the person.
func (p person) address() string {
	if p.number == "" {
		return p.userID
	}
	return "+" + p.number
}

// known is what the platform knows the person by.
func (p person) known() string {
	if p.number == "" {
		return p.userID
	}
	return p.number
}

var (
	givenNames = []string{"Ada", "Bruno", "Chiara", "Dario", "Elena", "Fabio", "Giulia", "Hana", "Ivo", "Lena"}
	surnames   = []string{"Rossi", "Bianchi", "Conti", "Greco", "Marino", "Novak"}
)

// formats of numbers. Some share a calling code and not the price: Canada and the United States are one market, Jamaica
// is in another, and Kazakhstan shares +7 with Russia.
const (
	italian   = "393900000%03d"
	british   = "447700900%03d"
	american  = "165055501%02d"
	canadian  = "141655501%02d"
	brazilian = "5511900000%03d"
	mexican   = "5215550000%03d"
	kazakh    = "7700000%04d"
	jamaican  = "187655501%02d"
	hidden    = "IT.9000%03d" // no number, but a business-scoped user id
)

// crowd invents at most 700 customers.
func crowd(n int) []person {
	formats := []string{italian, british, american, brazilian, mexican, kazakh, jamaican, italian, canadian, hidden}
	invented := make([]person, n)
	for i := range invented {
		invented[i] = invent(formats[i%len(formats)], i)
	}
	return invented
}

// invent makes the n-th person who has an address of that format.
func invent(format string, n int) person {
	p := person{name: givenNames[n%len(givenNames)] + " " + surnames[n/len(givenNames)%len(surnames)]}
	if format == hidden {
		p.userID = fmt.Sprintf(format, n)
	} else {
		p.number = fmt.Sprintf(format, n)
	}
	return p
}
