-- The audit trail: every event of the store as it was recorded, in the order of the log. Rows are only ever added.
CREATE TABLE entries (
    position        bigint      NOT NULL,             -- place in the log
    stream          text        NOT NULL COLLATE "C",
    revision        bigint      NOT NULL,             -- place in the stream; with it, the reference that lasts
    type            text        NOT NULL COLLATE "C", -- stored name
    event_id        uuid        NOT NULL,
    occurred_at     timestamptz NOT NULL,             -- the world's clock; the store's, when the event is not ours
    recorded_at     timestamptz,                      -- our clock; null, as all that follows, when the event is not ours
    actor           text,
    source          text,
    correlation     uuid,
    account_id      uuid,
    conversation_id uuid,                             -- from the stream's name
    is_text         boolean     NOT NULL,             -- whether data is text, which of our own events is JSON
    data            bytea       NOT NULL,             -- byte for byte as stored
    metadata        bytea       NOT NULL,             -- byte for byte as stored
    PRIMARY KEY (position),
    UNIQUE (stream, revision)
);

-- Few indexes, for each one slows the copying. These two grow at as many places as there are accounts and types. A
-- conversation is found through its streams, by the unique constraint. The last one holds a line per 32 pages.
CREATE INDEX entries_account ON entries (account_id, position);
CREATE INDEX entries_type ON entries (type, position);
CREATE INDEX entries_time ON entries USING brin (occurred_at) WITH (pages_per_range = 32, autosummarize = on);

-- For people with psql: the same, with the data readable: the JSON text, or hexadecimal when it is something else.
CREATE VIEW readable AS
SELECT position, stream, revision, type, event_id, occurred_at, recorded_at, actor, source, correlation, account_id,
       conversation_id,
       CASE WHEN is_text THEN convert_from(data, 'UTF8') ELSE encode(data, 'hex') END AS data
FROM entries;
