package commands_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/domain"
	"daybook/domain/pricing"
	"daybook/domain/ratecards"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

func cardFile(rows ...string) []byte {
	return []byte("market,iso2,calling_prefix,category,currency,rate,effective_from,source\n" + strings.Join(rows, "\n"))
}

var (
	euros   = "Italy,IT,39,utility,EUR,0.02,2026-07-01,"
	dollars = "Italy,IT,39,utility,USD,0.03,2026-10-01,"
)

func TestTheReferenceFileImports(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	imported, err := h.ImportRateCards(t.Context(), command("import"), []byte(pricing.ReferenceCards))
	require.NoError(t, err)
	require.Len(t, imported.Cards, 9)
	rates, ids := 0, map[id.Event]bool{}
	for _, c := range imported.Cards {
		require.True(t, c.New)
		require.Equal(t, ratecards.Stream(c.Currency), c.Ref.Stream)
		rates += c.Rates
	}
	require.Equal(t, 956, rates)
	for currency, n := range map[money.Currency]int{"USD": 6, "EUR": 1, "COP": 2} {
		all := read(t, store, ratecards.Stream(currency))
		require.Len(t, all, n)
		for _, s := range all {
			ids[s.ID] = true
			require.Zero(t, s.envelope.Account, "cards are the installation's")
			require.Equal(t, imported.FileSHA256, s.event.(events.RateCardImported).FileSHA256)
		}
	}
	require.Len(t, ids, 9, "every event has an id of its own")
	require.Equal(t, read(t, store, ratecards.Stream("USD"))[5].Position, imported.Position)

	// The same content again, as a repeat and as another command, here and in a process that has nothing cached.
	for _, h := range []*commands.Handler{h, commands.New(store, at(noon))} {
		for _, meta := range []commands.Meta{command("import"), api} {
			again, err := h.ImportRateCards(t.Context(), meta, []byte(pricing.ReferenceCards))
			require.NoError(t, err)
			require.Equal(t, imported.Position, again.Position)
			for i, c := range again.Cards {
				require.False(t, c.New)
				c.New = true
				require.Equal(t, imported.Cards[i], c)
			}
		}
	}
	require.Len(t, read(t, store, ratecards.Stream("USD")), 6)
	_, err = h.ImportRateCards(t.Context(), command("import"), cardFile(dollars))
	var reused *commands.CommandReusedError
	require.ErrorAs(t, err, &reused)
}

func TestAFileCountsAsAWhole(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	_, err := h.ImportRateCards(t.Context(), api, cardFile(dollars, "Italy,IT,39,utility,GBP,0.02,2026-10-01,"))
	require.NoError(t, err)

	_, err = h.ImportRateCards(t.Context(), api, cardFile(euros, "Italy,IT,39,utility,USD,0,2026-11-01,"))
	rejected(t, err, domain.Invalid, "RateCardInvalid")
	_, err = h.ImportRateCards(t.Context(), api, cardFile(
		euros, "Italy,IT,39,utility,USD,0.04,2026-10-01,", "Italy,IT,39,utility,GBP,n/a,2026-10-01,"))
	rejected(t, err, domain.Conflict, "RateConflict")
	var bad *pricing.FileError
	require.ErrorAs(t, err, &bad)
	require.Len(t, bad.Lines, 2, "of all currencies")
	require.Equal(t, 3, bad.Lines[0].Line)
	require.Equal(t, 4, bad.Lines[1].Line)
	require.Empty(t, read(t, store, ratecards.Stream("EUR")), "nothing of a bad file is recorded")
	require.Len(t, read(t, store, ratecards.Stream("USD")), 1)
}

func TestConflictsAreCounted(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	rows := func(rate string) (list []string) {
		for i := range 1_100 {
			name := fmt.Sprintf("Market %d", i)
			country := string([]byte{'A' + byte(i/26%26), 'A' + byte(i%26)})
			list = append(list, fmt.Sprintf("%s,%s,%d,utility,USD,%s,2026-%02d-01,", name, country, 1000+i, rate, i/600+1))
		}
		return list
	}
	_, err := h.ImportRateCards(t.Context(), api, cardFile(rows("0.01")...))
	require.NoError(t, err)
	_, err = h.ImportRateCards(t.Context(), api, cardFile(rows("0.02")...))
	var bad *pricing.FileError
	require.ErrorAs(t, err, &bad)
	require.Len(t, bad.Lines, 1_000)
	require.Equal(t, 100, bad.More)
}

func TestACrashBetweenTwoCurrenciesIsCuredByARepeat(t *testing.T) {
	t.Parallel()
	inner := openStore(t)
	crash := errors.New("the lights went out")
	store := &wire{EventStore: inner, beforeAppend: func(stream string) error {
		if stream == ratecards.Stream("USD") {
			return crash
		}
		return nil
	}}
	_, err := commands.New(store, at(noon)).ImportRateCards(t.Context(), command("import"), cardFile(euros, dollars))
	require.ErrorIs(t, err, crash)
	require.Len(t, read(t, inner, ratecards.Stream("EUR")), 1)

	imported, err := commands.New(inner, at(noon)).ImportRateCards(t.Context(), command("import"), cardFile(euros, dollars))
	require.NoError(t, err)
	require.Equal(t, []commands.ImportedCard{
		{Ref: events.Ref{Stream: "ratecards-EUR"}, Currency: "EUR", EffectiveFrom: "2026-07-01", Markets: 1, Rates: 1},
		{Ref: events.Ref{Stream: "ratecards-USD"}, Currency: "USD", EffectiveFrom: "2026-10-01", Markets: 1, Rates: 1, New: true},
	}, imported.Cards)
	require.Len(t, read(t, inner, ratecards.Stream("EUR")), 1)
	require.Len(t, read(t, inner, ratecards.Stream("USD")), 1)
}

// TestImportsThatRace: whichever comes first, its rate stands, and the other one is told which line is too late.
func TestImportsThatRace(t *testing.T) {
	t.Parallel()
	inner := openStore(t)
	var once sync.Once
	first := cardFile("Spain,ES,34,utility,USD,0.05,2026-10-01,", dollars)
	store := &wire{EventStore: inner, beforeAppend: func(string) error {
		once.Do(func() {
			_, err := commands.New(inner, at(noon)).ImportRateCards(context.WithoutCancel(t.Context()), api, first)
			require.NoError(t, err)
		})
		return nil
	}}
	h := commands.New(store, at(noon))
	_, err := h.ImportRateCards(t.Context(), api, cardFile("Italy,IT,39,utility,USD,0.09,2026-10-01,"))
	rejected(t, err, domain.Conflict, "RateConflict")
	require.ErrorContains(t, err, "line 2, rate: utility in Italy is 0.0300")

	once = sync.Once{}
	imported, err := h.ImportRateCards(t.Context(), api, cardFile(dollars, "France,FR,33,utility,USD,0.06,2026-10-01,"))
	require.NoError(t, err)
	require.True(t, imported.Cards[0].New)
	all := read(t, inner, ratecards.Stream("USD"))
	require.Len(t, all, 2)
	require.Len(t, all[1].event.(events.RateCardImported).Markets, 1, "only what is new")

	once = sync.Once{}
	first = cardFile("Spain,ES,34,utility,USD,0.05,2026-10-01,", "Italy,IT,39,utility,USD,0.03,2026-11-01,")
	imported, err = h.ImportRateCards(t.Context(), api, first)
	require.NoError(t, err)
	require.False(t, imported.Cards[1].New, "the other one brought it")
	require.Equal(t, uint64(2), imported.Cards[1].Ref.Revision)
}

func TestTheBookIsWhatIsRecordedNow(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h, elsewhere := commands.New(store, at(noon)), commands.New(store, at(noon))
	book, err := h.Book(t.Context(), "USD")
	require.NoError(t, err)
	require.Nil(t, book)
	_, err = elsewhere.ImportRateCards(t.Context(), api, cardFile(dollars, euros))
	require.NoError(t, err)
	for currency, want := range map[money.Currency]int64{"USD": 30_000, "EUR": 20_000} {
		book, err = h.Book(t.Context(), currency)
		require.NoError(t, err)
		rate, found := book.Rate("Italy", events.Utility, "2026-10-05")
		require.True(t, found)
		require.Equal(t, want, rate.Micros)
	}
}

// TestReadersOfABookShare: those who come while one reads do not queue up; they share the next reading, which began
// after they came.
func TestReadersOfABookShare(t *testing.T) {
	t.Parallel()
	inner := storetest.LendEmbedded(t) // a bubble knows no network
	_, err := commands.New(inner, at(noon)).ImportRateCards(t.Context(), api, cardFile(dollars))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		proceed := make(chan struct{})
		h := commands.New(&wire{EventStore: inner, onRead: func(string) {
			reads.Add(1)
			<-proceed
		}}, at(noon))
		ask := func(ctx context.Context, want error) func() {
			return func() {
				book, err := h.Book(ctx, "USD")
				require.ErrorIs(t, err, want)
				require.Equal(t, want == nil, book != nil)
			}
		}
		gone, leave := context.WithCancel(t.Context())
		var readers sync.WaitGroup
		readers.Go(ask(t.Context(), nil))
		synctest.Wait() // it reads
		readers.Go(ask(gone, context.Canceled))
		synctest.Wait() // it waits to read for all who come now
		for range 50 {
			readers.Go(ask(t.Context(), nil))
		}
		readers.Go(ask(gone, context.Canceled))
		synctest.Wait()
		leave()
		synctest.Wait() // one of the others took over
		close(proceed)
		readers.Wait()
		require.EqualValues(t, 2, reads.Load())
	})
}
