-- +goose Up

-- Events that had lost the key under which they wait would never have been tried again.
insert into parked_keys (projection, version, build, key, cause, parked_at, tried_at)
select distinct projection, version, build, key,
    'the events waited without their partition, which may have gone on without them: build the projection again', now(), now()
from parked_events where skipped_at is null
on conflict do nothing;

-- An event waits under its key or not at all. What is skipped stays when the key goes.
alter table parked_events
    add column event       uuid, -- its id; null: it was parked before ids were noted
    add column waits_under bytea generated always as (case when skipped_at is null then key end) stored,
    add constraint parked_events_waiting foreign key (projection, version, build, waits_under)
        references parked_keys (projection, version, build, key),
    drop constraint parked_events_pkey, -- a build of a part of the log counts fewer events
    add constraint parked_events_pkey primary key (projection, version, build, stream, revision);
