package graph

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"daybook/commands/policies"
)

// taken is an answer by which the platform took a message.
type taken struct{ wamid, held string }

// wamidMax is more than the platform's ids ever have.
const wamidMax = 512

// statusAccepted is the platform's word for a message that it sends on at once.
const statusAccepted = "accepted"

// readAnswer reads the platform's answer to a message: taken, refused (a *policies.RefusedError), or something by which
// nobody knows.
func readAnswer(status int, body []byte) (taken, error) {
	if status != http.StatusOK {
		code, told := errorCode(body)
		if !told {
			return taken{}, fmt.Errorf("the platform answered %d without an error of its own", status)
		}
		return taken{}, refusal(status, code)
	}
	var answer struct {
		Messages []struct {
			ID     string `json:"id"`
			Status string `json:"message_status"`
		} `json:"messages"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Messages) != 1 || !visible(answer.Messages[0].ID, wamidMax) {
		return taken{}, fmt.Errorf("the platform answered %d without one message id", status)
	}
	t := taken{wamid: answer.Messages[0].ID}
	if held := answer.Messages[0].Status; held != statusAccepted && visible(held, 64) {
		t.held = held
	}
	return t, nil
}

// visible accepts 1 to limit visible ASCII characters.
func visible(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// errorCode reads the platform's error document. Its words may name people and are not looked at.
func errorCode(body []byte) (code int, told bool) {
	var document struct {
		Error *struct {
			Code *int `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &document) != nil || document.Error == nil || document.Error.Code == nil {
		return 0, false
	}
	return *document.Error.Code, true
}

// again is how long to wait, at the first time, before a message is sent again that the platform refused by a code. What is
// not here is refused for good.
var again = map[int]time.Duration{
	4:      time.Minute,      // too many calls of the app
	80007:  time.Minute,      // too many calls for the WABA
	130429: time.Second,      // too many messages of the number in a second
	131056: 6 * time.Second,  // too many messages to this person
	131016: 10 * time.Second, // a service of the platform is away
	131000: 10 * time.Second, // something of the platform's went wrong
	131057: 5 * time.Minute,  // the number is being upgraded
	133016: 10 * time.Minute, // the number was registered too often
	190:    5 * time.Minute,  // the access token expired: an operator sets a new one
}

// never is the codes that refuse a message for good, and that it was not sent: whatever the answer's status.
var never = map[int]bool{
	131026: true, // undeliverable
	131047: true, // outside the service window
	131050: true, // opted out of marketing
	131049: true, // too much marketing for this person: not within a day, and then it is another message
	131048: true, // too many of the number's messages were reported as spam
	131042: true, // payment
	131031: true, // the account is locked
	368:    true, // the account is blocked for its conduct
	130497: true, // not in this country
	130472: true, // the person is part of an experiment
	132000: true, // template: number of parameters
	132001: true, // template: there is none of this name and language
	132005: true, // template: the text becomes too long
	132007: true, // template: against the rules
	132012: true, // template: form of a parameter
	132015: true, // template: paused
	132016: true, // template: disabled
	131051: true, // type of message
	131052: true, // media: cannot be fetched
	131053: true, // media: cannot be read
}

// refusal is what an error of the platform's means. A code that nobody knows refuses when the platform says that the
// request was at fault; when it says that itself was, nobody knows how far it came.
func refusal(status, code int) error {
	if after, retry := again[code]; retry {
		return &policies.RefusedError{Code: code, Retry: true, After: after}
	}
	if never[code] || status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		return &policies.RefusedError{Code: code}
	}
	return fmt.Errorf("the platform answered %d with code %d, which says nothing about the message", status, code)
}
