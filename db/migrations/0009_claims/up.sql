-- How a supplier's people come in: they claim their organisation by its Companies House number, and a moderator
-- decides.

-- Which organisation a number means must have one answer, in whatever case the number was recorded.
create unique index organisation_identifiers_company_number_key on organisation_identifiers (upper(identifier))
  where scheme = 'GB-COH';

create function organisation_of_company(number text) returns uuid
  language sql stable strict parallel safe
  return (select organisation_id from organisation_identifiers where scheme = 'GB-COH' and upper(identifier) = upper(number));
comment on function organisation_of_company(text) is 'The organisation with a Companies House number, in whatever case; null when none has it.';

create function viewer_moderates() returns boolean
  -- As its owner, like may_see().
  language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return viewer_is_operator()
    or exists (select from platform_roles where user_id = viewer_id('person') and role in ('moderator', 'platform_admin'));
end $$;
comment on function viewer_moderates() is 'Whether who looks has a role over the platform: the second wall around what only moderators judge.';

create table claims (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  organisation_id uuid not null references organisations on delete cascade,
  company_number text not null,
  claimant_id uuid references users on delete set null,
  statement text,
  status text not null default 'pending',
  decided_by uuid references users on delete set null,
  decided_at timestamptz,
  note text,
  constraint claims_company_number_form check (company_number ~ '^([0-9]{2}|[A-Z]{2})[0-9]{6}$'),
  constraint claims_statement_length check (char_length(statement) between 1 and 2000),
  constraint claims_note_length check (char_length(note) between 1 and 2000),
  constraint claims_status_check check (status in ('pending', 'approved', 'rejected', 'withdrawn')),
  constraint claims_pending_is_whole check (status <> 'pending' or (claimant_id is not null and statement is not null)),
  constraint claims_decided check ((decided_at is not null) = (status = 'approved' or status = 'rejected')),
  constraint claims_decided_by_somebody check (decided_by is null or decided_at is not null),
  constraint claims_note_of_decision check (note is null or decided_at is not null),
  constraint claims_not_judged_by_claimant check (decided_by <> claimant_id)
);
create unique index claims_one_pending on claims (organisation_id, claimant_id) where status = 'pending';
create index claims_organisation_id_idx on claims (organisation_id, id);
create index claims_claimant_id_idx on claims (claimant_id, id);
create index claims_status_idx on claims (status, id);
create index claims_decided_by_idx on claims (decided_by);
create trigger claims_raise_version before update on claims
  for each row execute function raise_version();
comment on table claims is 'What people say to speak for a supplier, and what was decided. A claim is decided once; then it only forgets people.';
comment on column claims.id is 'UUIDv7.';
comment on column claims.version is 'Raised by each change; the entity tag.';
comment on column claims.created_at is 'When it was made.';
comment on column claims.updated_at is 'When it last changed.';
comment on column claims.organisation_id is 'The supplier that is claimed; its claims go with it.';
comment on column claims.company_number is 'Companies House number that the claimant gave, in capitals.';
comment on column claims.claimant_id is 'Who claims; emptied when that person goes, with all that was said.';
comment on column claims.statement is 'What the claimant says to show that they speak for the supplier; emptied when they go. Personal data.';
comment on column claims.status is 'pending, approved, rejected, or withdrawn by the claimant.';
comment on column claims.decided_by is 'Who approved or rejected; null for the operator, and emptied when that person goes.';
comment on column claims.decided_at is 'When it was approved or rejected.';
comment on column claims.note is 'What the claimant is told with the decision; emptied when they go. Personal data.';

create function guard_claim() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.status <> 'pending' then
      raise exception 'a claim begins as pending'
        using errcode = 'check_violation', constraint = 'claims_begin_pending';
    end if;
    return new;
  end if;
  -- A claim of nobody cannot be granted, and what was said belongs to who is gone.
  if new.claimant_id is null then
    new.statement := null;
    new.note := null;
    if new.status = 'pending' then
      new.status := 'withdrawn';
    end if;
  end if;
  if (new.organisation_id, new.company_number) is distinct from (old.organisation_id, old.company_number)
    or (new.claimant_id is not null and new.claimant_id is distinct from old.claimant_id)
    or (new.statement is not null and new.statement is distinct from old.statement) then
    raise exception 'who claims what, and why, stays as it was'
      using errcode = 'check_violation', constraint = 'claims_same_claim';
  end if;
  if old.status <> 'pending' and ((new.status, new.decided_at) is distinct from (old.status, old.decided_at)
    or (new.decided_by is not null and new.decided_by is distinct from old.decided_by)
    or (new.note is not null and new.note is distinct from old.note)) then
    raise exception 'claim % is decided', old.id
      using errcode = 'check_violation', constraint = 'claims_decided_once';
  end if;
  return new;
end $$;
comment on function guard_claim() is 'A claim begins as pending, goes to one other state and stays there; of what was said and by whom it only forgets.';
create trigger claims_guard before insert or update on claims
  for each row execute function guard_claim();

grant select, insert, update on claims to loti_service;
alter table claims enable row level security;
create policy claims_of_viewer on claims
  using (claimant_id = (select viewer_id('person')) or (select viewer_moderates()));
