-- +goose Up

-- A scratch build is filled from the log up to a position, to be looked at or compared with. Nobody keeps it up, and no
-- read model is read from it. It goes when the lease of who fills it has run out, or a while after it was finished.
alter table projections
    drop constraint projections_phase,
    add constraint projections_phase check (phase in ('scratch', 'replaying', 'ready', 'live', 'retired'));

-- What the last verification of a build found.
create table drift (
    projection text        not null,
    version    int         not null,
    build      int         not null,
    differing  bigint      not null, -- rows
    tables     text[]      not null, -- that differ
    compared   bigint      not null, -- rows
    complete   bool        not null, -- whether all rows were compared with all events, or a sample
    position   bigint      not null, -- of the build when it was compared
    checked_at timestamptz not null,
    constraint drift_pkey primary key (projection, version, build),
    constraint drift_build foreign key (projection, version, build) references projections (name, version, build) on delete cascade,
    constraint drift_differing check (differing >= 0 and compared >= 0)
);
