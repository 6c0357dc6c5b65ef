-- +goose Up

-- A build is one physical schema with the rows of one version of a read model. A version is built again when it is to be
-- replaced; readers use the live one, and for a while may go back to the one before.
alter table projections
    add column build      int         not null default 1,
    add column phase      text        not null default 'replaying',
    add column held_back  text[]      not null default '{}', -- indexes that are made once the replay is done
    add column changed_at timestamptz not null default now();
update projections set phase = case when live then 'live' else 'ready' end;
alter table projections
    drop column live, -- and with it the index that allowed but one
    alter column phase drop default,
    alter column build drop default,
    alter column changed_at drop default,
    drop constraint projections_pkey,
    add constraint projections_pkey primary key (name, version, build),
    add constraint projections_build check (build > 0),
    add constraint projections_phase check (phase in ('replaying', 'ready', 'live', 'retired'));
create unique index projections_live on projections (name) where phase = 'live';

-- Who projects a build, until when. A change of hands raises the epoch, which every step of the checkpoint names: whoever
-- comes back after the lease was lost writes nothing any more.
alter table checkpoints
    add column build      int  not null default 1,
    add column holder     text, -- null: nobody
    add column expires_at timestamptz;
alter table checkpoints
    alter column build drop default,
    drop constraint checkpoints_pkey,
    add constraint checkpoints_pkey primary key (projection, version, build),
    add constraint checkpoints_holder check (num_nulls(holder, expires_at) in (0, 2));
