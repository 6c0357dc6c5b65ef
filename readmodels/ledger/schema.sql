-- The ledger: what every delivered message cost and how many there were, in double entry. Entries are only ever added, and
-- corrected by further entries. Debit is positive.
CREATE TABLE entries (
    stream         text        NOT NULL COLLATE "C",
    revision       bigint      NOT NULL,             -- with stream: the event that was posted
    n              integer     NOT NULL,             -- which entry of that event, from 0
    position       bigint      NOT NULL,             -- of the event in the log
    account_id     uuid        NOT NULL,             -- whose books
    ledger_account text        NOT NULL COLLATE "C", -- by the chart of accounts
    asset          text        NOT NULL COLLATE "C", -- an ISO 4217 currency, in micros, or MSG.{category}, in messages
    amount         bigint      NOT NULL,
    effective_at   timestamptz NOT NULL,             -- when the message was delivered
    recorded_at    timestamptz NOT NULL,             -- when we knew the price
    message_id     uuid        NOT NULL,
    recipient_id   uuid        NOT NULL,
    kind           text        NOT NULL COLLATE "C",
    PRIMARY KEY (stream, revision, n),
    CHECK (amount <> 0),
    CHECK (kind IN ('charge', 'pending', 'priced', 'reversal', 'adjustment')),
    CHECK (ledger_account ~ '^[a-z]+(:[a-z0-9_-]+)+$'),
    CHECK (asset ~ '^([A-Z]{3}|MSG\.[a-z0-9_-]+)$')
);

-- Pages are of one account, in the order of the log. The times rise with the log but for what is told late, so the second
-- index needs only a line per 32 pages.
CREATE INDEX entries_account ON entries (account_id, position);
CREATE INDEX entries_effective ON entries USING brin (effective_at) WITH (pages_per_range = 32, autosummarize = on);

-- The entries of one event sum to zero in every asset. They are written by one statement.
CREATE FUNCTION entries_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    odd record;
BEGIN
    SELECT stream, revision, asset, sum(amount) AS rest INTO odd
    FROM added GROUP BY stream, revision, asset HAVING sum(amount) <> 0 LIMIT 1;
    IF found THEN
        RAISE EXCEPTION 'the entries of %@% do not balance: % % too much', odd.stream, odd.revision, odd.rest, odd.asset
        USING ERRCODE = 'check_violation', TABLE = 'entries', CONSTRAINT = 'entries_balance';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_balance AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION entries_balance();

CREATE FUNCTION entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the ledger are never changed: correct them by further entries'
    USING ERRCODE = 'check_violation', TABLE = 'entries', CONSTRAINT = 'entries_stay';
END $$;
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON entries FOR EACH STATEMENT EXECUTE FUNCTION entries_stay();

-- What the entries sum to by day. They must equal the entries: see Identity. Rows are changed often and in place, so pages
-- are filled half.
CREATE TABLE balances (
    account_id     uuid,
    ledger_account text COLLATE "C",
    asset          text COLLATE "C",
    day            date,                             -- of effective_at, in UTC
    amount         bigint NOT NULL,
    entries        bigint NOT NULL,                  -- how many
    PRIMARY KEY (account_id, ledger_account, asset, day)
) WITH (fillfactor = 50);
