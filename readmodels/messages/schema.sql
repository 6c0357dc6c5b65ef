-- One row per message, in and out: who wrote what to whom, from which device. Texts, names and numbers are sealed. The
-- conversation belongs to the keys because what goes wrong with one does not hold up the others: it is the partition.
CREATE TABLE messages (
    message_id          uuid,
    conversation_id     uuid,
    account_id          uuid,
    customer_id         uuid,
    direction           text CHECK (direction IN ('in', 'out')),
    origin              text CHECK (origin IN ('customer', 'device', 'campaign', 'automatic', 'echo', 'import')),
    kind                text,                    -- the platform's type: text, template, image, …
    category            text,                    -- of outbound messages: marketing, utility, authentication, service
    template_name       text,
    template_language   text,
    locale              text,                    -- the language it was written in, where it has several
    campaign_id         uuid,                    -- the campaign that wrote it
    device_id           uuid,                    -- which device wrote it, or launched its campaign; null for all others
    device_name         text,                    -- what the device was called then
    registry_revision   bigint,                  -- of stream devices-{account}, which proves that name
    received_at         timestamptz,             -- inbound: when the customer sent it, by the platform's clock
    queued_at           timestamptz,             -- outbound: when it was written
    accepted_at         timestamptz,             -- outbound: when the platform took it
    dispatch_state      text,                    -- outbound: how far it is on its way to the platform
    dispatch_attempt    bigint,                  -- which attempt that was
    dispatch_code       bigint,                  -- why it was refused: the platform's code
    dispatch_rejection  text,                    -- or ours
    dispatch_not_before timestamptz,             -- when it may be tried again
    media               text,                    -- the kind of file that belongs to it
    media_sha256        text,                    -- which the sealed file is kept under
    wamid_hash          text,                    -- the platform's id, as its keyed hash
    sealed_from         text,                    -- sealed fields belong to the fact that has the message's id;
    sealed_to           text,                    -- their paths are from, to, contact, content
    sealed_contact      text,
    sealed_content      text,
    PRIMARY KEY (message_id, conversation_id),
    CHECK (direction IS NULL OR num_nulls(account_id, customer_id, kind, origin) = 0),
    CHECK (direction IS NULL OR (direction = 'in') = (received_at IS NOT NULL)),
    CHECK (direction IS NULL OR (direction = 'out') = (queued_at IS NOT NULL)),
    CHECK (direction IS NULL OR (origin IN ('device', 'campaign')) = (num_nulls(device_id, device_name, registry_revision) = 0))
);

-- How far a message came with each recipient: one row for a person, several for a group. Times are the platform's, the
-- earliest it told for each step. The charge is what the delivery to the recipient costs, as the newest fact on it says;
-- what it was before an adjustment stands in the ledger.
CREATE TABLE recipients (
    message_id      uuid,
    recipient_id    uuid,
    conversation_id uuid,
    sent_at         timestamptz,
    delivered_at    timestamptz,                 -- null when the platform skipped it, though read_at implies it
    read_at         timestamptz,
    played_at       timestamptz,
    failed_at       timestamptz,                 -- a delivery, told at any time, outranks it
    failure_code    bigint,                      -- the platform's; its words are in the sealed status
    expired_at      timestamptz,                 -- when it counted as lost; a delivery told later outranks it
    late            boolean,                     -- whether it was delivered after its life

    charge_stream        text,                   -- the newest fact on it: the reference to cite
    charge_revision      bigint,                 -- null while nothing is charged
    charge_recorded_at   timestamptz,            -- when that was recorded, by our clock
    charge_adjusted      boolean,                -- whether it corrects a charge that was recorded before
    charge_pending       text,                   -- why there is no price yet; unknown is never free
    charge_currency      text,                   -- ISO 4217, the account's
    charge_micros        bigint,                 -- millionths of the currency; null exactly while pending
    charge_basis         text,                   -- regular, allowance, free_csw, free_fep, free_group
    charge_expected      text,                   -- the basis by our own policy, where the platform's word differs
    charge_policy        text,                   -- the pricing policy in force: P2, P3
    charge_day           text,                   -- of the delivery, in the account's time zone: 2026-10-01
    charge_category      text,                   -- priced under, which may not be what it was sent as
    charge_market        text,                   -- the recipient's; null when the price needs none, or nothing tells
    charge_market_basis  text,                   -- how it was found: prefix, bsuid, fallback
    charge_rated         text,                   -- the card's category whose rate applies, if one does
    charge_card_stream   text,                   -- the rate card that the rate is from: stream, revision and first day
    charge_card_revision bigint,
    charge_card_from     text,
    charge_tier          bigint,

    PRIMARY KEY (message_id, recipient_id, conversation_id),
    CHECK (num_nonnulls(charge_micros, charge_pending) = num_nonnulls(charge_revision)),
    CHECK (charge_revision IS NULL OR num_nulls(charge_stream, charge_recorded_at, charge_adjusted, charge_currency) = 0),
    CHECK ((charge_micros IS NULL) = (charge_basis IS NULL)),
    CHECK (num_nulls(charge_card_stream, charge_card_revision) <> 1)
);

-- The devices of all accounts, with the names they have now. Unlinked devices stay: their messages do.
CREATE TABLE devices (
    device_id   uuid PRIMARY KEY,
    account_id  uuid,
    name        text,
    kind        text,
    platform    text,
    linked_at   timestamptz,
    unlinked_at timestamptz
);
