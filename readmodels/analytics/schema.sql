-- How many messages an account's people received and sent, and what became of those: counters for each quarter of an
-- hour. Days and hours of every time zone are whole quarters, so any of them can be summed exactly.
--
-- A message to a group counts once for each recipient. All that becomes of a message counts in the quarter in which it
-- was written, however much later it came: so the rows of a quarter grow for weeks, what is read never exceeds what is
-- delivered, and what is delivered never exceeds what is sent.
CREATE TABLE figures (
    account_id     uuid,
    slot           timestamptz,                 -- begin of the quarter, UTC
    device_id      uuid,                        -- which device wrote; all zeros for what customers wrote
    category       text COLLATE "C",            -- that it was sent as; empty for what customers wrote
    market         text COLLATE "C",            -- the recipient's when it was written; empty when no rate card told
    received       bigint NOT NULL,             -- written by customers, in the quarter in which they wrote
    sent           bigint NOT NULL,             -- the platform sent it on, also when it only told what came of it
    delivered      bigint NOT NULL,             -- reached the recipient, also when the platform only told read or played
    read           bigint NOT NULL,             -- the platform said that it was read; played alone does not count
    failed         bigint NOT NULL,             -- the platform gave up; what reached the recipient all the same is delivered, too
    answers        bigint NOT NULL,             -- first answers to customers who were waiting for one
    answer_seconds bigint NOT NULL,             -- how long those had waited, together, in whole seconds each
    PRIMARY KEY (account_id, slot, device_id, category, market)
);

-- The time zones in which accounts count their days.
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    timezone   text                             -- IANA
);

-- The devices of all accounts, with the names they have now, or had last.
CREATE TABLE devices (
    device_id uuid PRIMARY KEY,
    name      text COLLATE "C"
);
