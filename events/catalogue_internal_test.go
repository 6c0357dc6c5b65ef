package events

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// parcel stands for an event that has been through three versions:
// v1 {"grams":"1200"} → v2 {"grams":1200} → v3 {"grams":1200,"unit":"g"}.
type parcel struct {
	Grams int    `json:"grams"`
	Unit  string `json:"unit"`
}

func (parcel) isEvent() {}

func parcels() *table {
	return newCatalogue(entry[parcel]("ParcelWeighed", numbersAreNumbers, sayTheUnit))
}

func numbersAreNumbers(v1 json.RawMessage) (json.RawMessage, error) {
	var old struct {
		Grams json.Number `json:"grams"`
	}
	if err := json.Unmarshal(v1, &old); err != nil {
		return nil, err
	}
	return json.RawMessage(`{"grams":` + old.Grams.String() + `}`), nil
}

func sayTheUnit(v2 json.RawMessage) (json.RawMessage, error) {
	return append(v2[:len(v2)-1:len(v2)-1], `,"unit":"g"}`...), nil
}

func TestOldVersionsAreUpcastStepByStep(t *testing.T) {
	t.Parallel()
	for version, stored := range map[int]string{
		1: `{"grams":"1200"}`,
		2: `{"grams":1200}`,
		3: `{"grams":1200,"unit":"g"}`,
	} {
		data := []byte(stored)
		decoded, err := parcels().decode("ParcelWeighed", version, data)
		require.NoError(t, err)
		require.Equal(t, parcel{1200, "g"}, decoded, "version %d", version)
		require.Equal(t, stored, string(data), "stored bytes are never touched")
	}
}

func TestOnlyTheCurrentVersionIsWritten(t *testing.T) {
	t.Parallel()
	name, version, data, err := parcels().encode(parcel{1200, "g"})
	require.NoError(t, err)
	require.Equal(t, "ParcelWeighed", name)
	require.Equal(t, 3, version)
	require.JSONEq(t, `{"grams":1200,"unit":"g"}`, string(data))
}

func TestUnreadableVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []int{-1, 0, 4} {
		_, err := parcels().decode("ParcelWeighed", version, []byte(`{}`))
		require.ErrorIs(t, err, ErrUnknownType, "version %d", version)
	}
	_, err := parcels().decode("ParcelLost", 1, []byte(`{}`))
	require.ErrorIs(t, err, ErrUnknownType)
	_, _, _, err = parcels().encode(StoreCreated{})
	require.ErrorIs(t, err, ErrUnknownType)
}

func TestAFailingUpcasterSaysWhichVersion(t *testing.T) {
	t.Parallel()
	_, err := parcels().decode("ParcelWeighed", 1, []byte(`{"grams":[]}`))
	require.ErrorContains(t, err, "upcasting ParcelWeighed from version 1")
	require.NotErrorIs(t, err, ErrUnknownType)

	broken := errors.New("no such parcel")
	catalogue := newCatalogue(entry[parcel]("ParcelWeighed", func(json.RawMessage) (json.RawMessage, error) { return nil, broken }))
	_, err = catalogue.decode("ParcelWeighed", 1, []byte(`{}`))
	require.ErrorIs(t, err, broken)
}

func TestMalformedDataIsAnErrorAndNoEvent(t *testing.T) {
	t.Parallel()
	decoded, err := parcels().decode("ParcelWeighed", 3, []byte(`{"grams":"many"}`))
	require.ErrorContains(t, err, "decoding ParcelWeighed version 3")
	require.Nil(t, decoded)
}

func TestANameOrTypeTwiceInTheCataloguePanics(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { newCatalogue(entry[parcel]("A"), entry[parcel]("B")) })
	require.Panics(t, func() { newCatalogue(entry[parcel]("A"), entry[StoreCreated]("A")) })
}
