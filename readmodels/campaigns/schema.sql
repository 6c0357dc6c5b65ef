-- Campaigns as they are planned, and how far they are.
CREATE TABLE campaigns (
    campaign_id     uuid PRIMARY KEY,
    account_id      uuid,
    phone_number_id text,
    name            text COLLATE "C",
    template        text COLLATE "C",
    category        text,
    phase           text,                       -- drafted, approved, running, paused, cancelled or completed
    paused_for      text,                       -- while it is paused
    segment         text,                       -- how the audience was chosen: a query in JSON, or list
    recipients      bigint,
    starts_at       timestamptz,
    ends_at         timestamptz,
    timezone        text,                       -- IANA; in which it was scheduled
    device_name     text COLLATE "C",           -- on which it was scheduled
    limit_micros    bigint,                     -- the budget
    currency        text,
    started_at      timestamptz
);
CREATE INDEX campaigns_account ON campaigns (account_id, starts_at, campaign_id);

-- What a campaign's messages cost, and what its budget holds for those whose fate is not known.
CREATE TABLE money (
    campaign_id uuid PRIMARY KEY,
    spent       bigint NOT NULL,                -- micro-units
    reserved    bigint NOT NULL
);

-- What a campaign's messages cost, by the market of the recipient (S15).
CREATE TABLE spend (
    campaign_id uuid,
    market      text COLLATE "C",
    charged     bigint NOT NULL,                -- messages
    micros      bigint NOT NULL,
    PRIMARY KEY (campaign_id, market)
);

-- What became of a campaign's messages, by the market that a recipient was in when it was written (S14). Nobody stands here.
CREATE TABLE funnel (
    campaign_id uuid,
    market      text COLLATE "C",               -- empty when no rate card told
    written     bigint NOT NULL,
    sent        bigint NOT NULL,                -- the platform sent it on
    delivered   bigint NOT NULL,
    read        bigint NOT NULL,
    failed      bigint NOT NULL,                -- also what is delivered all the same
    expired     bigint NOT NULL,
    PRIMARY KEY (campaign_id, market)
);

-- Why recipients were not written to.
CREATE TABLE skips (
    campaign_id uuid,
    reason      text COLLATE "C",
    recipients  bigint NOT NULL,
    PRIMARY KEY (campaign_id, reason)
);
