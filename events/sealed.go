package events

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"daybook/events/id"
)

// Sealed is personal data inside an event: text of the form
//
//	sealed:1:<key id>:<key commitment>:<nonce and ciphertext>
//
// with the last two in unpadded base64url. The cipher is AES-256-GCM under a key derived from the data key; the
// associated data is the key id, the id of the fact that the value belongs to, and the path of its field. So a sealed
// value can be moved neither to another fact nor to another field. It names no stream, revision or position: those are
// not known at the edge, where sealing happens. Destroying the data key erases the value and changes no stored byte.
type Sealed string

const sealedPrefix = "sealed:1:"

// Labels of the two keys derived from a data key. They are part of the format.
const (
	labelEncryption = "daybook/sealed/v1/encryption"
	labelCommitment = "daybook/sealed/v1/commitment"
)

// ErrSealed says that a sealed value is malformed, was made under another key, or belongs to another fact or field.
var ErrSealed = errors.New("sealed value does not open")

// Parts takes a sealed value apart without opening it. Only the one text that Seal writes is accepted, byte for byte.
func (s Sealed) Parts() (keyID id.Key, commitment, box []byte, err error) {
	rest, ok := strings.CutPrefix(string(s), sealedPrefix)
	fields := strings.Split(rest, ":")
	if !ok || len(fields) != 3 {
		return id.Key{}, nil, nil, fmt.Errorf("%w: not in the form %s…", ErrSealed, sealedPrefix)
	}
	if keyID, err = id.Parse[id.Key](fields[0]); err != nil {
		return id.Key{}, nil, nil, fmt.Errorf("%w: key id: %w", ErrSealed, err)
	}
	if commitment, err = base64.RawURLEncoding.DecodeString(fields[1]); err != nil || len(commitment) != sha256.Size {
		return id.Key{}, nil, nil, fmt.Errorf("%w: commitment", ErrSealed)
	}
	if box, err = base64.RawURLEncoding.DecodeString(fields[2]); err != nil {
		return id.Key{}, nil, nil, fmt.Errorf("%w: ciphertext", ErrSealed)
	}
	if join(keyID, commitment, box) != s { // other letter case, line breaks, stray bits after the last byte
		return id.Key{}, nil, nil, fmt.Errorf("%w: not in canonical form", ErrSealed)
	}
	return keyID, commitment, box, nil
}

func join(keyID id.Key, commitment, box []byte) Sealed {
	text := base64.RawURLEncoding.EncodeToString
	return Sealed(sealedPrefix + keyID.String() + ":" + text(commitment) + ":" + text(box))
}

// RecordClass groups sealed values that are disposed of together by age.
type RecordClass string

// The record classes.
const (
	ClassMessages   RecordClass = "messages"   // numbers, names and bodies in conversations
	ClassQuarantine RecordClass = "quarantine" // updates kept whole
	ClassAccount    RecordClass = "account"    // what the platform tells of a business
	ClassStaff      RecordClass = "staff"      // what employees write to one another
)

// KeyScope is what one data key covers. One key per subject, class and year makes erasure of a person and disposal by
// age the same act: destroying keys.
type KeyScope struct {
	Account id.Account  // whose key wraps the data key; zero for the installation's own
	Subject uuid.UUID   // the customer, the quarantined update, or the account
	Class   RecordClass //
	Year    int         // of recording, UTC
}

// DataKey seals and opens. It is safe for concurrent use and never prints its secret.
type DataKey struct {
	id         id.Key
	aead       cipher.AEAD
	commitment []byte
}

// NewDataKey derives a data key from its 32 secret bytes.
func NewDataKey(keyID id.Key, secret []byte) (DataKey, error) {
	if len(secret) != 32 {
		return DataKey{}, fmt.Errorf("data key %s: secret is %d bytes, not 32", keyID, len(secret))
	}
	encryption, err := hkdf.Key(sha256.New, secret, nil, labelEncryption, 32)
	if err != nil {
		return DataKey{}, fmt.Errorf("deriving data key %s: %w", keyID, err)
	}
	commitment, err := hkdf.Key(sha256.New, secret, nil, labelCommitment, sha256.Size)
	if err != nil {
		return DataKey{}, fmt.Errorf("deriving data key %s: %w", keyID, err)
	}
	block, err := aes.NewCipher(encryption)
	if err != nil {
		return DataKey{}, fmt.Errorf("deriving data key %s: %w", keyID, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return DataKey{}, fmt.Errorf("deriving data key %s: %w", keyID, err)
	}
	return DataKey{keyID, aead, commitment}, nil
}

// ID names the key.
func (k DataKey) ID() id.Key { return k.id }

// Seal encrypts a value for one field of one fact. Empty values stay empty: there is nothing to protect.
func (k DataKey) Seal(fact id.Fact, path string, plaintext []byte) Sealed {
	if len(plaintext) == 0 {
		return ""
	}
	return join(k.id, k.commitment, k.aead.Seal(nil, nil, plaintext, k.associated(fact, path)))
}

// Open decrypts. The commitment is checked first: AES-GCM alone would let a forged key open a value to another text.
func (k DataKey) Open(s Sealed, fact id.Fact, path string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	keyID, commitment, box, err := s.Parts()
	if err != nil {
		return nil, err
	}
	if keyID != k.id || subtle.ConstantTimeCompare(commitment, k.commitment) != 1 {
		return nil, fmt.Errorf("%w: sealed under key %s, which is not this one", ErrSealed, keyID)
	}
	plaintext, err := k.aead.Open(nil, nil, box, k.associated(fact, path))
	if err != nil {
		return nil, fmt.Errorf("%w: wrong fact or field, or altered bytes", ErrSealed)
	}
	return plaintext, nil
}

// associated is key id ‖ fact id ‖ path. The first two have a fixed length, so no two triples give the same bytes.
func (k DataKey) associated(fact id.Fact, path string) []byte {
	ad := make([]byte, 0, 32+len(path))
	ad = append(ad, k.id.UUID[:]...)
	ad = append(ad, fact.UUID[:]...)
	return append(ad, path...)
}
