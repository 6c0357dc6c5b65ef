-- +goose Up

-- The permanent installation key, wrapped by the master key. One row for ever: hashes in stored events depend on it.
create table installation (
    singleton  bool        not null default true,
    wrapped    bytea       not null,
    created_at timestamptz not null,
    constraint installation_pkey primary key (singleton),
    constraint installation_singleton check (singleton)
);

-- One wrapping key per account, wrapped by the master key. The nil account is the installation itself.
create table account_keys (
    account      uuid        not null,
    wrapped      bytea,
    created_at   timestamptz not null,
    destroyed_at timestamptz,
    reason       text,
    constraint account_keys_pkey primary key (account),
    constraint account_keys_destroyed check ((wrapped is null) = (destroyed_at is not null)),
    constraint account_keys_reason check ((reason is null) = (destroyed_at is null))
);

-- Data keys, wrapped by their account's key. A destroyed key keeps its row, so that it is never made again and a reader
-- learns when and why. No foreign key to account_keys: every insert would lock the same hot row.
create table data_keys (
    key_id       uuid        not null,
    account      uuid        not null,
    subject      uuid        not null,
    class        text        not null,
    year         int         not null,
    wrapped      bytea,
    created_at   timestamptz not null,
    destroyed_at timestamptz,
    reason       text,
    constraint data_keys_pkey primary key (key_id),
    constraint data_keys_scope unique (subject, account, class, year),
    constraint data_keys_destroyed check ((wrapped is null) = (destroyed_at is not null)),
    constraint data_keys_reason check ((reason is null) = (destroyed_at is null))
);

-- Keyed hashes of what platforms call people. Several identities of an account may be one customer.
create table identities (
    account    uuid        not null,
    identity   bytea       not null,
    customer   uuid        not null,
    created_at timestamptz not null,
    constraint identities_pkey primary key (account, identity),
    constraint identities_hash check (length(identity) = 32)
);
create index identities_customer on identities (customer);

-- Which keys seal quarantined bodies that name a person. Hashes do not depend on the account: an update of an unknown
-- number has none.
create table quarantined (
    identity bytea not null,
    key_id   uuid  not null,
    constraint quarantined_pkey primary key (identity, key_id),
    constraint quarantined_hash check (length(identity) = 32)
);
