-- +goose Up

-- How many rows differ in each of the tables, in their order. Of a finding of several tables from before there was this
-- column, nobody knows: it says 0 of each, as of tables that differ in their columns only.
alter table drift add column table_rows bigint[] not null default '{}';
update drift set table_rows = case cardinality(tables) when 1 then array[differing] else array_fill(0::bigint, array[cardinality(tables)]) end;
alter table drift add constraint drift_table_rows check (cardinality(table_rows) = cardinality(tables));
