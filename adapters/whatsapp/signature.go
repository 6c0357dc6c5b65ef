package whatsapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// SignatureHeader carries the platform's signature of a delivery.
const SignatureHeader = "X-Hub-Signature-256"

// signaturePrefix names the scheme inside the header.
const signaturePrefix = "sha256="

// Verify reports whether header is "sha256=" and the hexadecimal HMAC-SHA256 of the raw body under one of the secrets.
// Several secrets let an operator rotate the app secret without losing deliveries. It takes the same time whichever
// secret matches and wherever a wrong signature differs. Empty secrets never match: anybody could sign with them.
func Verify(secrets []string, header string, body []byte) bool {
	signature, ok := parseSignature(header)
	if !ok {
		return false
	}
	valid := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body) // never fails
		if hmac.Equal(mac.Sum(nil), signature) && secret != "" {
			valid = true
		}
	}
	return valid
}

// parseSignature takes the signature out of the header, so that a delivery without one can be refused unread.
func parseSignature(header string) ([]byte, bool) {
	text, ok := strings.CutPrefix(header, signaturePrefix)
	if !ok {
		return nil, false
	}
	signature, err := hex.DecodeString(text)
	return signature, err == nil && len(signature) == sha256.Size
}
