-- +goose Up

-- Who works on which shard of which policy, until when, and how far the shard has come. Nobody's rows are locked for
-- longer than a statement; what a policy writes is fenced by the event store, not by these rows.
create table policies (
    policy     text   not null,
    shard      int    not null,
    holder     text, -- null: free
    epoch      bigint not null default 0, -- rises with every change of hands
    expires_at timestamptz,
    -- The checkpoint, which only spares work. Null until the first one is saved.
    store_id   uuid,
    position   bigint,
    updated_at timestamptz,
    -- The last event that was passed, as for projections. Null before the first one.
    anchor_stream   bytea,
    anchor_revision bigint,
    anchor_event    uuid,
    anchor_position bigint,
    constraint policies_pkey primary key (policy, shard),
    constraint policies_shard check (shard >= 0),
    constraint policies_epoch check (epoch >= 0),
    constraint policies_holder check (num_nulls(holder, expires_at) in (0, 2)),
    constraint policies_checkpoint check (num_nulls(store_id, position, updated_at) in (0, 3)),
    constraint policies_position check (position >= 0),
    constraint policies_anchor
        check (num_nulls(anchor_stream, anchor_revision, anchor_event, anchor_position) in (0, 4))
) with (fillfactor = 50); -- renewed every few seconds, in place

-- The processes that want shards of a policy, whether they have any or not: among them the shards are divided.
create table policy_holders (
    policy     text        not null,
    holder     text        not null,
    expires_at timestamptz not null,
    constraint policy_holders_pkey primary key (policy, holder)
);
