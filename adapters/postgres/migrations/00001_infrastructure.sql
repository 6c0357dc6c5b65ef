-- +goose Up

-- How far each version of each projection has read. A row moves by compare-and-set, in the transaction that writes the
-- projection's rows. A position means nothing without the store it counts in.
create table checkpoints (
    projection text        not null,
    version    int         not null,
    store_id   uuid        not null,
    position   bigint      not null,
    events     bigint      not null, -- seen, whether handled or not
    epoch      bigint      not null default 0,
    updated_at timestamptz not null,
    -- The last event that was counted. The store must still hold it just so: a copy restored from before it, grown anew,
    -- has the same positions and another history. Null before the first one. Names are bytes: text cannot hold them all.
    anchor_stream   bytea,
    anchor_revision bigint,
    anchor_event    uuid,
    anchor_position bigint,
    constraint checkpoints_anchor
        check (num_nulls(anchor_stream, anchor_revision, anchor_event, anchor_position) in (0, 4)),
    constraint checkpoints_pkey primary key (projection, version),
    constraint checkpoints_version check (version > 0),
    constraint checkpoints_position check (position >= 0),
    constraint checkpoints_events check (events >= 0),
    constraint checkpoints_epoch check (epoch >= 0)
);

-- Which physical schema holds which version of a read model, and what it was built from.
create table projections (
    name        text        not null,
    version     int         not null,
    schema_name text        not null,
    fingerprint text        not null, -- of schema.sql and the list of events
    live        bool        not null,
    created_at  timestamptz not null,
    constraint projections_pkey primary key (name, version),
    constraint projections_schema_name unique (schema_name),
    constraint projections_version check (version > 0)
);

-- Readers ask for the live version: there is at most one.
create unique index projections_live on projections (name) where live;
