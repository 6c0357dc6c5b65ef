-- +goose Up

-- What verifications found, table by table: each is compared in its own way and at its own time. What was found before, of
-- tables that differ, is kept; of the others nobody knows when they were compared.
create temporary table found on commit drop as
    select projection, version, build, t.name, case cardinality(tables) when 1 then differing else 0 end as differing
    from drift, unnest(tables) as t (name);
drop table drift;
create table drift (
    projection text        not null,
    version    int         not null,
    build      int         not null,
    table_name text        not null,
    differing  bigint      not null default 0,       -- rows, as they were found last
    objects    jsonb       not null default '[]',    -- columns, constraints, indexes and triggers that differ
    how        text        not null default 'never', -- what its rows were compared with last
    compared   bigint      not null default 0,       -- how many rows that were,
    position   bigint      not null default 0,       -- where the build was then,
    checked_at timestamptz,                          -- and when; null: they never were
    constraint drift_pkey primary key (projection, version, build, table_name),
    constraint drift_build foreign key (projection, version, build) references projections (name, version, build) on delete cascade,
    constraint drift_how check (how in ('never', 'sample', 'identity', 'log')),
    constraint drift_differing check (differing >= 0 and compared >= 0)
);
-- A table that was found with 0 rows has different columns, or rows that nobody counted: it stays found, as one.
insert into drift (projection, version, build, table_name, differing)
    select projection, version, build, name, greatest(differing, 1) from found;
