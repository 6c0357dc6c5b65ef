-- The templates of every account.
CREATE TABLE templates (
    template_id uuid PRIMARY KEY,
    account_id  uuid,
    name        text COLLATE "C",
    language    text COLLATE "C",
    category    text,                        -- it was submitted with; empty when the platform told of it first
    submitted   boolean                      -- by the business; else the platform told of it first
);
CREATE INDEX templates_account ON templates (account_id, name, language);

-- What was told of each. The platform's words come in any order: which one holds, its own clock says.
CREATE TABLE words (
    template_id uuid        NOT NULL,
    matter      text        NOT NULL,        -- status, category or quality
    since       timestamptz NOT NULL,        -- when it was told; of a category, when it came into effect
    told_at     timestamptz NOT NULL,
    fact_id     uuid        NOT NULL,        -- tells apart what was told in one second
    word        text        NOT NULL,
    stream      text        NOT NULL COLLATE "C",
    revision    bigint      NOT NULL,
    UNIQUE (stream, revision, matter)
);
CREATE INDEX words_template ON words (template_id, matter, since);
