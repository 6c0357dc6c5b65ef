-- What is due when. A timer is a stream of the log, timer-{id}: this is only the index by which it is found.
CREATE TABLE timers (
    timer_id     uuid PRIMARY KEY,
    account_id   uuid,                           -- in whose books it was set; the nil UUID for the installation's own
    kind         text COLLATE "C",
    due          timestamptz,
    stream       text COLLATE "C",               -- whose it is
    subject      text COLLATE "C",               -- what of that stream
    fired_at     timestamptz,
    cancelled_at timestamptz
);

-- Those that wait are few among all that ever were.
CREATE INDEX timers_waiting ON timers (due, timer_id) WHERE fired_at IS NULL AND cancelled_at IS NULL;
