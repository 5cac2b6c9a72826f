-- What is bounded over all replicas of the service together.

create table quotas (
  action text not null,
  subject text not null,
  window_start timestamptz not null,
  taken integer not null,
  constraint quotas_pkey primary key (action, subject, window_start),
  constraint quotas_subject_length check (char_length(subject) between 1 and 128),
  constraint quotas_taken_positive check (taken > 0)
);
create index quotas_window_start_idx on quotas (window_start);
comment on table quotas is 'How often somebody did something that is expensive or sensitive, in windows of time.';
comment on column quotas.action is 'What: see db/src/quotas.rs for its limit and the length of its window.';
comment on column quotas.subject is 'Who: an id, or for an address a digest under a key that is not in the database.';
comment on column quotas.window_start is 'When the window began.';
comment on column quotas.taken is 'How often in it.';
grant select, insert, update, delete on quotas to loti_service;
