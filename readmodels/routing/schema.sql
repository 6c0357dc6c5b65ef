-- Where a status belongs: the platform's message id, as its keyed hash, to the messages it was bound to. There is one,
-- unless the platform was told of by mistake; then the first binding counts, for ever.
CREATE TABLE messages (
    wamid_hash      text COLLATE "C",
    position        bigint,                      -- of the binding in the log
    account_id      uuid,
    conversation_id uuid,
    message_id      uuid,
    recipient_id    uuid,                        -- the customer the message was written to
    phone_number_id text,
    PRIMARY KEY (wamid_hash, position)
);

-- Which account holds a business number.
CREATE TABLE numbers (
    phone_number_id text COLLATE "C" PRIMARY KEY,
    account_id      uuid
);

-- Which accounts are billed through a WABA, the platform's billing account. Several may share one.
CREATE TABLE wabas (
    waba_id    text COLLATE "C",
    account_id uuid,
    PRIMARY KEY (waba_id, account_id)
);

-- Which accounts are registered. A claim is written first, so a number may belong to an account that is not there yet.
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY
);

-- Updates that could not be recorded where they belong. The update itself, sealed, is in the stream quarantine-{id}.
CREATE TABLE quarantine (
    quarantine_id   uuid PRIMARY KEY,
    position        bigint UNIQUE,               -- of the quarantining in the log: the order of the list
    reason          text,
    detail          text,                        -- names the field and the rule
    field           text,                        -- the webhook's field
    kind            text,                        -- message, status or value
    waba_id         text COLLATE "C",
    phone_number_id text COLLATE "C",            -- empty when the update names none
    wamid_hash      text COLLATE "C",            -- empty when the update names none
    received_at     timestamptz,
    redriven_at     timestamptz,                 -- null while open
    landed_stream   text,                        -- where it was recorded in the end
    CHECK ((redriven_at IS NULL) = (landed_stream IS NULL))
);

-- Open items are few among all that ever were. The second index holds those that may become ready by themselves.
CREATE INDEX quarantine_open ON quarantine (position) WHERE redriven_at IS NULL;
CREATE INDEX quarantine_waiting ON quarantine (position)
    WHERE redriven_at IS NULL AND reason IN ('unknown_message', 'unknown_number', 'unknown_account', 'unknown_field');
