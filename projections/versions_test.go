package projections_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// parcelWeighed stands for an event that has been through two versions: v1 {"grams":"1200"} → v2 {"grams":1200}.
type parcelWeighed struct {
	events.Event `json:"-"`

	Grams int `json:"grams"`
}

// lost is what the upcaster cannot read.
const lost = `{"grams":"lost"}`

func TestMain(m *testing.M) {
	events.Rehearse[parcelWeighed]("ParcelWeighed", func(v1 json.RawMessage) (json.RawMessage, error) {
		if string(v1) == lost {
			return nil, errors.New("no such parcel")
		}
		var old struct {
			Grams json.Number `json:"grams"`
		}
		err := json.Unmarshal(v1, &old)
		return json.RawMessage(`{"grams":` + old.Grams.String() + `}`), err
	})
	os.Exit(m.Run())
}

// TestTheKitReadsOldVersions and finds the projection that looks at the stored bytes instead of the event.
func TestTheKitReadsOldVersions(t *testing.T) {
	t.Parallel()
	weigh := func(raw bool) projections.Definition {
		return func() *projections.Projection {
			p := projections.New("parcels", 1, "CREATE TABLE parcels (stream text, revision bigint, grams text)")
			parcels := projections.Append[struct {
				Stream   string `db:"stream"`
				Revision uint64 `db:"revision"`
				Grams    string `db:"grams"`
			}](p, "parcels")
			projections.On(p, func(e parcelWeighed, at projections.At) error {
				grams, err := json.Marshal(e.Grams)
				if raw {
					grams = at.Data
				}
				return errors.Join(err, parcels.Add(struct {
					Stream   string `db:"stream"`
					Revision uint64 `db:"revision"`
					Grams    string `db:"grams"`
				}{at.Stream, at.Revision, string(grams)}))
			})
			return p
		}
	}
	goldens := func(v1 string) fstest.MapFS {
		return fstest.MapFS{
			"ParcelWeighed.v1.json": {Data: []byte(`{"data": ` + v1 + `, "metadata": {"version": 1}}`)},
			"ParcelWeighed.v2.json": {Data: []byte(`{"data": {"grams": 7}, "metadata": {"version": 2}}`)},
		}
	}
	require.NoError(t, projectiontest.OldVersions(t, weigh(false), goldens(`{"grams":"1200"}`)))
	require.ErrorContains(t, projectiontest.OldVersions(t, weigh(true), goldens(`{"grams":"1200"}`)),
		"ParcelWeighed.v1.json leaves")
	require.ErrorContains(t, projectiontest.OldVersions(t, weigh(false), goldens(lost)),
		"ParcelWeighed.v1.json: upcasting ParcelWeighed from version 1: no such parcel")
}
