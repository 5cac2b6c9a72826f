drop table idempotency_keys;
drop function try_lock(text);
