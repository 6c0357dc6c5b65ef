-- +goose Up

-- What a parking projection could not project: by partition, each with its first cause.
create table parked_keys (
    projection text        not null,
    version    int         not null,
    build      int         not null,
    key        bytea       not null, -- the partition's; text cannot hold every name
    cause      text        not null, -- of the last try
    parked_at  timestamptz not null,
    tries      int         not null default 1,
    tried_at   timestamptz not null,
    wanted     bool        not null default false, -- somebody asked for another try
    constraint parked_keys_pkey primary key (projection, version, build, key),
    constraint parked_keys_build foreign key (projection, version, build)
        references checkpoints (projection, version, build) on delete cascade
);

-- The events that wait behind a cause, that one first. What they say stays in the store.
create table parked_events (
    projection text   not null,
    version    int    not null,
    build      int    not null,
    key        bytea  not null,
    n          bigint not null, -- which event of the log it is, as the checkpoint counts them
    stream     bytea  not null,
    revision   bigint not null,
    type       text   not null,
    skipped_at timestamptz,     -- null: it is still to be projected
    reason     text,            -- why it was skipped
    constraint parked_events_pkey primary key (projection, version, build, n),
    constraint parked_events_skipped check (num_nulls(skipped_at, reason) in (0, 2)),
    constraint parked_events_build foreign key (projection, version, build)
        references checkpoints (projection, version, build) on delete cascade
);
create index parked_events_key on parked_events (projection, version, build, key, n);
