-- +goose Up

-- Which numbers builds have had. None is given twice, also when its build is gone: connections have statements in mind that
-- name its tables and types, and processes that looked at a build must not take another one for it.
create table build_numbers (
    name    text not null,
    version int  not null,
    last    int  not null, -- the highest one
    first   bool not null, -- whether 1 was given: it is kept for the first build that is not scratch
    constraint build_numbers_pkey primary key (name, version),
    constraint build_numbers_last check (last > 0)
);
insert into build_numbers (name, version, last, first)
select name, version, max(build), bool_or(phase <> 'scratch') from projections group by name, version;

-- Why who has the lease of a build does not go on, for every process to show. The next step of the checkpoint clears it.
alter table checkpoints
    add column state          text,        -- null: nothing is wrong
    add column cause          text,
    add column since          timestamptz,
    add column stuck_stream   bytea,       -- the event at which it stands; null: it is no event's fault
    add column stuck_revision bigint,
    add column stuck_type     text;
alter table checkpoints
    add constraint checkpoints_state check (state in ('retrying', 'paused', 'stopped')),
    add constraint checkpoints_cause check (num_nulls(state, cause, since) in (0, 3)),
    add constraint checkpoints_stuck check (num_nulls(stuck_stream, stuck_revision, stuck_type) in (0, 3)),
    add constraint checkpoints_paused check ((state = 'paused') is not true or stuck_stream is not null);
