// Package tables reads and compares the tables of physical schemas, whatever is in them: it knows the catalogue of Postgres,
// and nothing of projections.
package tables
