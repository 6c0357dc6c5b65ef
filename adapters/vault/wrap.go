package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"daybook/events"
	"daybook/events/id"
)

// keySize is the length of every key of the vault, in bytes.
const keySize = 32

// idSize is how many bytes of a commitment make a vault's id.
const idSize = 16

// Labels separate the uses of one key. They are part of the stored format.
const (
	labelMaster       = "daybook/vault/v1/master"
	labelInstallation = "daybook/vault/v1/installation"
	labelAccount      = "daybook/vault/v1/account"
	labelDataKey      = "daybook/vault/v1/data-key"
	labelWamid        = "daybook/vault/v1/wamid"
	labelIdentity     = "daybook/vault/v1/identity"
	labelDigest       = "daybook/vault/v1/digest"
	labelID           = "daybook/vault/v1/id"
)

var errUnwrap = errors.New("a stored key does not open")

// newKey returns fresh secret bytes.
func newKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails, says its documentation
	return key
}

// derive separates uses of one key by label.
func derive(key []byte, label string) ([]byte, error) {
	return hkdf.Key(sha256.New, key, nil, label, keySize)
}

// wrapper returns the cipher that a key wraps others with: AES-256-GCM, a random nonce in front.
func wrapper(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("wrapping key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func wrap(with cipher.AEAD, key, binding []byte) []byte { return with.Seal(nil, nil, key, binding) }

// unwrap opens a wrapped key. It fails for another wrapping key, and for a row that was altered or moved.
func unwrap(with cipher.AEAD, wrapped, binding []byte) ([]byte, error) {
	key, err := with.Open(nil, nil, wrapped, binding)
	if err != nil || len(key) != keySize {
		return nil, errUnwrap
	}
	return key, nil
}

// accountBinding ties a wrapped account key to its account.
func accountBinding(account id.Account) []byte {
	return append([]byte(labelAccount), account.UUID[:]...)
}

// dataKeyBinding ties a wrapped data key to its account, its id and its scope. All but the class have a fixed length.
func dataKeyBinding(key id.Key, scope events.KeyScope) []byte {
	binding := append([]byte(labelDataKey), scope.Account.UUID[:]...)
	binding = append(binding, key.UUID[:]...)
	binding = append(binding, scope.Subject[:]...)
	binding = binary.BigEndian.AppendUint32(binding, uint32(scope.Year))
	return append(binding, scope.Class...)
}
