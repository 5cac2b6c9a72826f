-- Answers to requests that carried an Idempotency-Key: sent again, the same request gets the same answer.

create table idempotency_keys (
  principal text not null,
  key text not null,
  request_hash bytea not null,
  sealed_answer bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null default now() + interval '24 hours',
  constraint idempotency_keys_pkey primary key (principal, key),
  constraint idempotency_keys_principal_form check (principal ~ '^(person|client):[0-9a-f-]{36}$'),
  constraint idempotency_keys_key_length check (char_length(key) between 1 and 255),
  constraint idempotency_keys_request_hash_length check (octet_length(request_hash) = 32)
);
create index idempotency_keys_expires_at_idx on idempotency_keys (expires_at);
comment on table idempotency_keys is 'What was answered to whom under which Idempotency-Key. Kept in the transaction of the effect, for a day.';
comment on column idempotency_keys.principal is 'Who sent it: the kind, a colon and the id of a person or client. A key belongs to its sender.';
comment on column idempotency_keys.key is 'Idempotency-Key as it was sent.';
comment on column idempotency_keys.request_hash is 'SHA-256 of method, path, query, media type and body.';
comment on column idempotency_keys.sealed_answer is 'Status, headers and body, encrypted with the key of LOTI_ENCRYPTION_KEY: an answer may hold a secret that is told once.';
comment on column idempotency_keys.created_at is 'When it was answered first.';
comment on column idempotency_keys.expires_at is 'From when the key may be used anew.';
grant select, insert, delete on idempotency_keys to loti_service;

create function try_lock(name text) returns boolean
  language sql volatile
  return pg_try_advisory_xact_lock(hashtextextended(name, 0));
comment on function try_lock(text) is 'Whether this transaction has the lock of a name now; it does not wait for it.';
