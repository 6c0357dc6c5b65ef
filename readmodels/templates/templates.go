// Package templates answers which templates an account has, and what the platform says of them.
//
// The templates projection owns the rows. What the platform told last holds, by its own clock, in whatever order it came.
package templates

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events/id"
	"daybook/readmodels"
)

// Schema makes the tables of one version.
//
//go:embed schema.sql
var Schema string

// Template is a template as it is at an instant. Empty words were never told.
type Template struct {
	ID       id.Template `db:"template_id"`
	Name     string      `db:"name"`
	Language string      `db:"language"`
	Category string      `db:"category"`
	Status   string      `db:"status"`
	Quality  string      `db:"quality"`
}

// TemplateRow is a row of templates.
type TemplateRow struct {
	TemplateID id.Template `db:"template_id,key"`
	AccountID  *id.Account `db:"account_id"`
	Name       *string     `db:"name"`
	Language   *string     `db:"language"`
	Category   *string     `db:"category"`
	Submitted  *bool       `db:"submitted"`
}

// WordRow is a row of words.
type WordRow struct {
	TemplateID id.Template `db:"template_id"`
	Matter     string      `db:"matter"`
	Since      time.Time   `db:"since"`
	ToldAt     time.Time   `db:"told_at"`
	FactID     id.Fact     `db:"fact_id"`
	Word       string      `db:"word"`
	Stream     string      `db:"stream"`
	Revision   uint64      `db:"revision"`
}

// Matters that words are of.
const (
	Status   = "status"
	Category = "category"
	Quality  = "quality"
)

// Of lists an account's templates at an instant, in the order of name and language.
func Of(ctx context.Context, db readmodels.Querier, schema string, account id.Account, at time.Time) ([]Template, error) {
	const statement = `SELECT t.template_id, t.name, t.language,
			COALESCE(told.category, t.category) AS category,
			COALESCE(told.status, CASE WHEN t.submitted THEN 'PENDING' ELSE '' END) AS status,
			COALESCE(told.quality, '') AS quality
		FROM $schema.templates t
		CROSS JOIN LATERAL (SELECT
			(array_agg(word ORDER BY since DESC, told_at DESC, fact_id DESC) FILTER (WHERE matter = 'category' AND since <= $2))[1] AS category,
			(array_agg(word ORDER BY since DESC, told_at DESC, fact_id DESC) FILTER (WHERE matter = 'status'))[1] AS status,
			(array_agg(word ORDER BY since DESC, told_at DESC, fact_id DESC) FILTER (WHERE matter = 'quality'))[1] AS quality
			FROM $schema.words w WHERE w.template_id = t.template_id) told
		WHERE t.account_id = $1 ORDER BY t.name, t.language`
	rows, _ := db.Query(ctx, readmodels.In(schema, statement), account, at) // the error comes back with the rows
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Template])
	if err != nil {
		return nil, fmt.Errorf("listing the templates of account %s: %w", account, err)
	}
	return found, nil
}
