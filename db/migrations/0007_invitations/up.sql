-- How people come into an organisation whose provider does not know them: a link, for one address, once.

create table invitations (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  organisation_id uuid not null references organisations on delete cascade,
  email text not null,
  role text not null,
  token_hash bytea not null constraint invitations_token_hash_key unique,
  invited_by uuid references users on delete set null,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  accepted_by uuid references users on delete set null,
  constraint invitations_email_form check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and char_length(email) <= 254),
  constraint invitations_role_check check (role in ('viewer', 'contributor', 'steward', 'admin')),
  constraint invitations_token_hash_length check (octet_length(token_hash) = 32),
  constraint invitations_accepted_by_somebody check (accepted_by is null or accepted_at is not null)
);
-- Whether it has expired cannot be in an index; one that has is replaced by the next.
create unique index invitations_one_open on invitations (organisation_id, lower(email)) where accepted_at is null;
create index invitations_organisation_id_idx on invitations (organisation_id, id);
create index invitations_invited_by_idx on invitations (invited_by);
create index invitations_accepted_by_idx on invitations (accepted_by);
create trigger invitations_raise_version before update on invitations
  for each row execute function raise_version();
comment on table invitations is 'Links that make who opens them a member of an organisation.';
comment on column invitations.id is 'UUIDv7.';
comment on column invitations.version is 'Raised by each change; the entity tag.';
comment on column invitations.created_at is 'When it was sent.';
comment on column invitations.updated_at is 'When it last changed.';
comment on column invitations.organisation_id is 'Into which organisation; it goes with that.';
comment on column invitations.email is 'Address that was invited. Personal data.';
comment on column invitations.role is 'Role that it gives.';
comment on column invitations.token_hash is 'SHA-256 of the secret in the link.';
comment on column invitations.invited_by is 'Who invited; emptied when that person goes.';
comment on column invitations.expires_at is 'Until when the link works.';
comment on column invitations.accepted_at is 'When it was used.';
comment on column invitations.accepted_by is 'Who used it; emptied when that person goes.';
grant select, insert, update, delete on invitations to loti_service;
alter table invitations enable row level security;
-- Who accepts belongs to nobody yet: the link shows that they may.
create policy invitations_of_viewer on invitations
  using (may_see(organisation_id) or encode(token_hash, 'hex') = current_setting('loti.invitation', true));
