-- The customers of every account, one row for each of its numbers that they have to do with: who can be in an audience. What
-- is personal is sealed, and stands with the fact and the path that it belongs to.
CREATE TABLE customers (
    conversation_id uuid PRIMARY KEY,
    account_id      uuid,
    phone_number_id text COLLATE "C",
    customer_id     uuid,
    prefix          text COLLATE "C",           -- dialling prefix, if the number is known
    country         text COLLATE "C",           -- of the business-scoped user id, where there is no number
    sealed_to       text,
    to_fact         uuid,
    to_path         text,
    sealed_name     text,
    name_fact       uuid,
    name_path       text,
    locale          text COLLATE "C",           -- in which they were written to last
    market          text COLLATE "C",           -- in which they were when they were written to last
    marketing       boolean,                    -- opted in, or out; null: said nothing
    level           text,                       -- of what they want to receive: all, fewer or none; null: said nothing
    blocked         boolean,
    received_at     timestamptz,                -- when they wrote last
    written_at      timestamptz                 -- when they were written to last
);
CREATE INDEX customers_account ON customers (account_id, phone_number_id, customer_id);
