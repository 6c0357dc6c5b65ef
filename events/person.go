package events

// Person is how the platform names a customer: a WhatsApp id (digits, usually the phone number), a business-scoped user
// id ("IT.…"), or both. It exists at the edge only: the vault turns it into an id.Customer, and no event holds it in clear.
type Person struct {
	WaID   string
	UserID string
}

// Dialling returns what pricing may know of the person: the number's prefix, or else the user id's country.
func (p Person) Dialling() Dialling {
	if d := DialPhone(p.WaID); d != (Dialling{}) {
		return d
	}
	return DialUserID(p.UserID)
}
