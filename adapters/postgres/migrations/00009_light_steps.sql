-- +goose Up

-- A batch is one message to the server and one answer. What makes its statements worthless has to stop them there: nobody
-- else is asked before the commit. Class DB is ours alone.
-- +goose StatementBegin
create function refuse(code text, what text) returns void language plpgsql as $$
begin
    raise exception using errcode = code, message = what;
end $$;
-- +goose StatementEnd

-- Each check costs each step of a projection about 4 µs. These told of nothing that a step could do.
alter table checkpoints
    drop constraint checkpoints_version,
    drop constraint checkpoints_position,
    drop constraint checkpoints_events,
    drop constraint checkpoints_epoch,
    drop constraint checkpoints_state,
    drop constraint checkpoints_cause,
    drop constraint checkpoints_stuck,
    drop constraint checkpoints_paused;
