package demo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// platform words what the messaging platform would send. It only builds bodies; posting them is the player's business.
type platform struct {
	wabaID, phoneNumberID, displayNumber string
	messages                             int // how many platform ids were given out
}

// wamid makes a well-formed platform id, which, as the real ones do, holds the phone number.
func (p *platform) wamid(number string) string {
	p.messages++
	return "wamid." + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "\x1d\x18%s\x15\x02\x00DEMO%012d\x00", number, p.messages))
}

// object is a JSON object of the platform's.
type object map[string]any

// inbound is one message element with its contact.
func (p *platform) inbound(from person, at time.Time, text string) (contact, message object) {
	contact = object{"profile": object{"name": from.name}, "wa_id": from.number}
	message = object{
		"from": from.number, "id": p.wamid(from.number), "timestamp": seconds(at),
		"type": "text", "text": object{"body": text},
	}
	return contact, message
}

// status is one status element. Pricing is told on sent and delivered, as the platform does.
func (p *platform) status(wamid, word string, to person, at time.Time, category string) object {
	s := object{"id": wamid, "status": word, "timestamp": seconds(at), "recipient_id": to.number}
	switch word {
	case "sent", "delivered":
		s["pricing"] = object{"billable": true, "pricing_model": "PMP", "type": "regular", "category": category}
	case "failed":
		s["errors"] = []object{{
			"code": 131026, "title": "Message undeliverable",
			"error_data": object{"details": "Message could not be delivered."},
		}}
	}
	return s
}

// body wraps elements into one webhook body.
func (p *platform) body(value object) ([]byte, error) {
	value["messaging_product"] = "whatsapp"
	value["metadata"] = object{"display_phone_number": p.displayNumber, "phone_number_id": p.phoneNumberID}
	return json.Marshal(object{
		"object": "whatsapp_business_account",
		"entry": []object{{
			"id":      p.wabaID,
			"changes": []object{{"field": "messages", "value": value}},
		}},
	})
}

func seconds(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
