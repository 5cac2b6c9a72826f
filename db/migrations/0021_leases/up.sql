-- Leases: agreements made from a published version of a template, between organisations, about premises.

create table leases (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  organisation_id uuid not null references organisations on delete restrict,
  version_id uuid not null references lease_template_versions on delete restrict,
  supersedes_id uuid references leases on delete restrict,
  title text not null,
  reference text,
  starts_on date,
  ends_on date,
  filled jsonb not null default '[]',
  status text not null default 'draft',
  status_reason text,
  issued_at timestamptz,
  agreed_at timestamptz,
  premises_count integer not null default 0,
  constraint leases_title_length check (char_length(title) between 1 and 200),
  constraint leases_reference_length check (char_length(reference) between 1 and 60),
  constraint leases_ends_after_start check (ends_on >= starts_on),
  constraint leases_filled_is_list check (jsonb_typeof(filled) = 'array'),
  constraint leases_status_check check (status in ('draft', 'issued', 'agreed', 'in_force', 'expired', 'terminated', 'void')),
  constraint leases_status_reason_length check (char_length(status_reason) between 1 and 1000),
  constraint leases_issued check ((status = 'draft') = (issued_at is null)),
  constraint leases_agreed_after_issue check (agreed_at is null or issued_at is not null),
  constraint leases_agreed check (agreed_at is not null or status = 'draft' or status = 'issued' or status = 'void'),
  constraint leases_starts_on_known check (status = 'draft' or starts_on is not null),
  constraint leases_ended_for_a_reason check ((status = 'terminated' or status = 'void') = (status_reason is not null)),
  constraint leases_premises_count_range check (premises_count between 0 and 10000)
);
-- An amendment follows one lease, and a lease has one amendment under way at a time.
create unique index leases_one_successor on leases (supersedes_id) where status <> 'void';
create index leases_supersedes_id_idx on leases (supersedes_id);
create index leases_organisation_id_idx on leases (organisation_id, id);
create index leases_version_id_idx on leases (version_id, id);
create index leases_to_come_idx on leases (starts_on) where status = 'agreed';
create index leases_to_end_idx on leases (ends_on) where status = 'in_force';
create trigger leases_raise_version before update on leases for each row execute function raise_version();
comment on table leases is 'Agreements made from a published version of a template. What was issued never changes.';
comment on column leases.id is 'UUIDv7.';
comment on column leases.version is 'Raised by each change, of its premises, deviations and agreements as well; the entity tag.';
comment on column leases.created_at is 'When it was begun.';
comment on column leases.updated_at is 'When it last changed.';
comment on column leases.organisation_id is 'Who draws it up; never changes.';
comment on column leases.version_id is 'The version of a template that it is made from; never changes.';
comment on column leases.supersedes_id is 'The lease that it amends, which ends when this one comes into force; never changes.';
comment on column leases.title is 'What it is called.';
comment on column leases.reference is 'What its parties know it by.';
comment on column leases.starts_on is 'The day on which it comes into force.';
comment on column leases.ends_on is 'Its last day; null where it has none.';
comment on column leases.filled is 'What is filled into the variables of the version: an array of objects with variable and value.';
comment on column leases.status is 'draft; issued to its parties; agreed by all of them; in_force from its first day; expired after its last; terminated before; or void.';
comment on column leases.status_reason is 'Why it was terminated or is void.';
comment on column leases.issued_at is 'When it was issued; from then on what it says stays.';
comment on column leases.agreed_at is 'When the last of its parties agreed.';
comment on column leases.premises_count is 'How many premises its schedule has; kept by a trigger.';

create table lease_parties (
  lease_id uuid not null references leases on delete cascade,
  organisation_id uuid not null references organisations on delete restrict,
  position integer not null,
  role text not null,
  name text,
  constraint lease_parties_pkey primary key (lease_id, organisation_id),
  constraint lease_parties_position_key unique (lease_id, position),
  constraint lease_parties_role_form check (role ~ '^[a-z][a-z0-9_]{0,59}$')
);
create index lease_parties_organisation_id_idx on lease_parties (organisation_id, lease_id);
comment on table lease_parties is 'Between whom a lease is.';
comment on column lease_parties.lease_id is 'Which lease.';
comment on column lease_parties.organisation_id is 'Which organisation.';
comment on column lease_parties.position is 'Its place among them, from 1.';
comment on column lease_parties.role is 'As what, such as grantor; fills the variable of that name.';
comment on column lease_parties.name is 'Its name on the day of issue, which the lease keeps.';

create table lease_premises (
  lease_id uuid not null references leases on delete cascade,
  position integer not null,
  uprn bigint,
  usrn integer,
  description text,
  constraint lease_premises_pkey primary key (lease_id, position),
  constraint lease_premises_position_range check (position between 1 and 10000),
  constraint lease_premises_uprn_range check (uprn between 1 and 999999999999),
  constraint lease_premises_usrn_range check (usrn between 1 and 99999999),
  constraint lease_premises_somewhere check (uprn is not null or usrn is not null),
  constraint lease_premises_description_length check (char_length(description) between 1 and 200)
);
create unique index lease_premises_uprn_once on lease_premises (lease_id, uprn) where uprn is not null;
create unique index lease_premises_street_once on lease_premises (lease_id, usrn) where uprn is null;
create index lease_premises_uprn_idx on lease_premises (uprn, lease_id);
comment on table lease_premises is 'What a lease is about: its schedule of premises.';
comment on column lease_premises.lease_id is 'Which lease.';
comment on column lease_premises.position is 'Its place in the schedule, from 1.';
comment on column lease_premises.uprn is 'Unique Property Reference Number.';
comment on column lease_premises.usrn is 'Unique Street Reference Number: of the street, or of a street itself.';
comment on column lease_premises.description is 'Which part of it, in words.';

create table lease_deviations (
  lease_id uuid not null references leases on delete cascade,
  version_id uuid not null,
  clause_id text not null,
  body text,
  reason text not null,
  constraint lease_deviations_pkey primary key (lease_id, clause_id),
  constraint lease_deviations_clause_fkey foreign key (version_id, clause_id)
    references lease_clauses (version_id, clause_id) on delete restrict,
  constraint lease_deviations_body_length check (char_length(body) between 1 and 20000),
  constraint lease_deviations_reason_length check (char_length(reason) between 1 and 1000)
);
create index lease_deviations_clause_idx on lease_deviations (version_id, clause_id);
comment on table lease_deviations is 'Where a lease departs from its template, and why.';
comment on column lease_deviations.lease_id is 'Which lease.';
comment on column lease_deviations.version_id is 'The version that it is made from.';
comment on column lease_deviations.clause_id is 'From which clause: a negotiable or an optional one.';
comment on column lease_deviations.body is 'What it says in its place; null where it leaves an optional clause out.';
comment on column lease_deviations.reason is 'Why.';

create table lease_documents (
  lease_id uuid not null references leases on delete cascade,
  format text not null,
  sha256 text not null,
  size bigint not null,
  constraint lease_documents_pkey primary key (lease_id, format),
  constraint lease_documents_format_check check (format in ('markdown', 'html', 'docx')),
  constraint lease_documents_sha256_form check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint lease_documents_size_range check (size > 0)
);
comment on table lease_documents is 'A lease as its parties read it, as it was rendered when it was issued.';
comment on column lease_documents.lease_id is 'Which lease.';
comment on column lease_documents.format is 'In which format.';
comment on column lease_documents.sha256 is 'Digest of its bytes.';
comment on column lease_documents.size is 'How many bytes it has.';

create table lease_document_chunks (
  lease_id uuid not null,
  format text not null,
  number integer not null,
  content bytea not null,
  constraint lease_document_chunks_pkey primary key (lease_id, format, number),
  constraint lease_document_chunks_document_fkey foreign key (lease_id, format)
    references lease_documents (lease_id, format) on delete cascade
);
comment on table lease_document_chunks is 'The bytes of documents, in pieces that are read one after the other.';
comment on column lease_document_chunks.lease_id is 'Of which lease.';
comment on column lease_document_chunks.format is 'In which format.';
comment on column lease_document_chunks.number is 'Its place, from 0.';
comment on column lease_document_chunks.content is 'The bytes.';

create table lease_agreements (
  id uuid primary key,
  created_at timestamptz not null default now(),
  lease_id uuid not null,
  organisation_id uuid not null,
  signatory text,
  capacity text not null,
  document_sha256 text not null,
  user_id uuid references users on delete set null,
  constraint lease_agreements_once unique (lease_id, organisation_id),
  constraint lease_agreements_party_fkey foreign key (lease_id, organisation_id)
    references lease_parties (lease_id, organisation_id) on delete restrict,
  constraint lease_agreements_signatory_length check (char_length(signatory) between 1 and 120),
  constraint lease_agreements_capacity_length check (char_length(capacity) between 1 and 120)
);
create index lease_agreements_user_id_idx on lease_agreements (user_id);
comment on table lease_agreements is 'Who agreed to a lease for which party, when, and to which document. A record, no electronic signature.';
comment on column lease_agreements.id is 'UUIDv7.';
comment on column lease_agreements.created_at is 'When it was recorded.';
comment on column lease_agreements.lease_id is 'To which lease.';
comment on column lease_agreements.organisation_id is 'For which party.';
comment on column lease_agreements.signatory is 'Who agreed; emptied once who recorded it is erased. Personal data.';
comment on column lease_agreements.capacity is 'As what, such as Director of Property.';
comment on column lease_agreements.document_sha256 is 'Digest of the document that they agreed to.';
comment on column lease_agreements.user_id is 'Who recorded it; empty for a program, and once they are erased. Personal data.';

-- The way of a lease. What is not named here of a row stays as it is once the lease was issued.
create function check_lease() returns trigger language plpgsql as $$
declare
  standing text;
begin
  if tg_op = 'DELETE' then
    if old.status <> 'draft' then
      raise exception 'only a draft is removed' using errcode = 'check_violation', constraint = 'leases_immutable';
    end if;
    return old;
  end if;
  if tg_op = 'INSERT' then
    select status into standing from lease_template_versions where id = new.version_id for share;
    -- An amendment may stay with the version of the lease that it amends.
    if new.status <> 'draft' or not (standing = 'published' or standing = 'superseded' and new.supersedes_id is not null
        and new.version_id = (select version_id from leases where id = new.supersedes_id)) then
      raise exception 'a lease is a draft of a published version' using errcode = 'check_violation', constraint = 'leases_of_published_version';
    end if;
    return new;
  end if;
  if row(new.id, new.created_at, new.organisation_id, new.version_id, new.supersedes_id)
      is distinct from row(old.id, old.created_at, old.organisation_id, old.version_id, old.supersedes_id)
    or old.status <> 'draft' and row(new.title, new.reference, new.starts_on, new.ends_on, new.filled, new.issued_at, new.premises_count)
      is distinct from row(old.title, old.reference, old.starts_on, old.ends_on, old.filled, old.issued_at, old.premises_count)
    or old.agreed_at is not null and new.agreed_at is distinct from old.agreed_at
    or old.status_reason is not null and new.status_reason is distinct from old.status_reason then
    raise exception 'a lease does not change once it was issued' using errcode = 'check_violation', constraint = 'leases_immutable';
  end if;
  if new.status = old.status then
    return new;
  end if;
  if not (row(old.status, new.status) in (('draft', 'issued'), ('issued', 'agreed'), ('agreed', 'in_force'), ('in_force', 'expired'),
      ('agreed', 'terminated'), ('in_force', 'terminated'), ('issued', 'void'), ('agreed', 'void'), ('in_force', 'void'))) then
    raise exception 'a lease does not go from % to %', old.status, new.status using errcode = 'check_violation', constraint = 'leases_transition';
  end if;
  if new.status = 'issued' and ((select count(*) from lease_parties where lease_id = new.id and name is not null) < 2
      or exists (select from lease_parties where lease_id = new.id and name is null)
      or (select count(*) from lease_documents where lease_id = new.id) < 3) then
    raise exception 'a lease is issued with its documents, between two at least' using errcode = 'check_violation', constraint = 'leases_whole';
  end if;
  if new.status = 'agreed' and exists (select from lease_parties p where p.lease_id = new.id
      and not exists (select from lease_agreements a where a.lease_id = p.lease_id and a.organisation_id = p.organisation_id)) then
    raise exception 'a lease is agreed by all of its parties' using errcode = 'check_violation', constraint = 'leases_agreed_by_all';
  end if;
  if new.status = 'in_force' and new.starts_on > current_date or new.status = 'expired' and (new.ends_on >= current_date) is not false then
    raise exception 'it is not the day yet' using errcode = 'check_violation', constraint = 'leases_due';
  end if;
  return new;
end $$;
comment on function check_lease() is 'The way of a lease from draft to its end; what was issued stays as it is.';
create trigger leases_check before insert or update or delete on leases for each row execute function check_lease();

-- Parts of leases change while those are drafts. The lock on the lease is what lets a change of its parts and its issue
-- not pass each other. By statement: a schedule has up to 10 000 rows.
create function check_lease_parts() returns trigger language plpgsql as $$
declare
  standing text;
begin
  for standing in select status from leases where id in (select lease_id from changed) for update loop
    if standing <> 'draft' then
      raise exception 'parts of a lease change while it is a draft' using errcode = 'check_violation', constraint = 'leases_immutable';
    end if;
  end loop;
  return null;
end $$;
comment on function check_lease_parts() is 'Parties, premises, deviations and documents of a lease stay once it was issued.';

do $$
declare
  part text;
begin
  foreach part in array array['lease_parties', 'lease_premises', 'lease_deviations', 'lease_documents', 'lease_document_chunks'] loop
    execute format('create trigger %1$s_check_insert after insert on %1$s referencing new table as changed
      for each statement execute function check_lease_parts()', part);
    execute format('create trigger %1$s_check_update after update on %1$s referencing new table as changed
      for each statement execute function check_lease_parts()', part);
    execute format('create trigger %1$s_check_update_old after update on %1$s referencing old table as changed
      for each statement execute function check_lease_parts()', part);
    execute format('create trigger %1$s_check_delete after delete on %1$s referencing old table as changed
      for each statement execute function check_lease_parts()', part);
  end loop;
  foreach part in array array['leases', 'lease_parties', 'lease_premises', 'lease_deviations', 'lease_documents',
      'lease_document_chunks', 'lease_agreements'] loop
    execute format('create trigger %1$s_not_truncated before truncate on %1$s
      for each statement execute function refuse_change()', part);
  end loop;
end $$;

create function count_lease_premises() returns trigger language plpgsql as $$
begin
  update leases set premises_count = (select count(*) from lease_premises where lease_id = id)
    where id in (select lease_id from changed) and status = 'draft';
  return null;
end $$;
comment on function count_lease_premises() is 'Keeps leases.premises_count.';
create trigger lease_premises_count_insert after insert on lease_premises referencing new table as changed
  for each statement execute function count_lease_premises();
create trigger lease_premises_count_delete after delete on lease_premises referencing old table as changed
  for each statement execute function count_lease_premises();

create function check_lease_deviation() returns trigger language plpgsql as $$
declare
  kind_of_clause text;
begin
  if new.version_id is distinct from (select version_id from leases where id = new.lease_id) then
    raise exception 'a deviation is from the version that the lease is made from' using errcode = 'check_violation', constraint = 'lease_deviations_of_version';
  end if;
  select kind into kind_of_clause from lease_clauses where version_id = new.version_id and clause_id = new.clause_id;
  if kind_of_clause = 'fixed' or kind_of_clause = 'negotiable' and new.body is null or kind_of_clause = 'optional' and new.body is not null then
    raise exception 'the clause does not allow it' using errcode = 'check_violation', constraint = 'lease_deviations_allowed';
  end if;
  return new;
end $$;
comment on function check_lease_deviation() is 'Negotiable clauses are replaced, optional ones left out, and fixed ones stay.';
create trigger lease_deviations_check before insert or update on lease_deviations for each row execute function check_lease_deviation();

create function check_lease_agreement() returns trigger language plpgsql as $$
declare
  standing text;
begin
  if tg_op = 'DELETE' then
    raise exception 'an agreement stays' using errcode = 'check_violation', constraint = 'leases_immutable';
  end if;
  if tg_op = 'UPDATE' then
    -- Who agreed is forgotten with who recorded it; that the party agreed is not.
    if new.user_id is null and old.user_id is not null then
      new.signatory := null;
    end if;
    if row(new.id, new.created_at, new.lease_id, new.organisation_id, new.capacity, new.document_sha256)
        is distinct from row(old.id, old.created_at, old.lease_id, old.organisation_id, old.capacity, old.document_sha256)
      or new.user_id is not null and new.user_id is distinct from old.user_id
      or new.signatory is not null and new.signatory is distinct from old.signatory then
      raise exception 'an agreement does not change' using errcode = 'check_violation', constraint = 'leases_immutable';
    end if;
    return new;
  end if;
  select status into standing from leases where id = new.lease_id for update;
  if standing is distinct from 'issued' or new.signatory is null
    or not exists (select from lease_documents where lease_id = new.lease_id and sha256 = new.document_sha256) then
    raise exception 'what was issued is agreed to, and nothing else' using errcode = 'check_violation', constraint = 'lease_agreements_of_issued';
  end if;
  return new;
end $$;
comment on function check_lease_agreement() is 'Parties agree to the documents of a lease that was issued; what they agreed to stays.';
create trigger lease_agreements_check before insert or update or delete on lease_agreements for each row execute function check_lease_agreement();

grant select, insert, update, delete on leases, lease_parties, lease_premises, lease_deviations, lease_documents,
  lease_document_chunks, lease_agreements to loti_service;

-- Of whom who looks is, asked once for a statement rather than for each of its rows: a schedule has up to 10 000. As
-- their owner, like may_see().
create function viewer_administers() returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return viewer_is_operator()
    or exists (select from platform_roles where user_id = viewer_id('person') and role = 'platform_admin');
comment on function viewer_administers() is 'Whether who looks administers the platform.';

create function viewer_organisations() returns setof uuid
  language sql stable security definer set search_path = public, pg_temp
begin atomic
  select organisation_id from memberships where user_id = viewer_id('person')
  union all select organisation_id from clients where id = viewer_id('client');
end;
comment on function viewer_organisations() is 'The organisations to which who looks belongs.';

create function shared_leases() returns setof uuid
  language sql stable security definer set search_path = public, pg_temp
begin atomic
  select p.lease_id from lease_parties p join leases l on l.id = p.lease_id
  where l.issued_at is not null and p.organisation_id in (select viewer_organisations());
end;
comment on function shared_leases() is 'The issued leases to which an organisation of who looks is a party.';

create function lease_party_list(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select coalesce(jsonb_agg(jsonb_build_object('organisation', organisation_ref(p.organisation_id), 'role', p.role,
      'name', p.name, 'agreed_at', a.created_at) order by p.position), '[]'::jsonb)
    from lease_parties p left join lease_agreements a on a.lease_id = p.lease_id and a.organisation_id = p.organisation_id
    where p.lease_id = wanted);
comment on function lease_party_list(uuid) is 'Between whom a lease is, and who agreed when.';

create function lease_document_list(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select coalesce(jsonb_agg(jsonb_build_object('format', format, 'sha256', sha256, 'size', size) order by format), '[]'::jsonb)
    from lease_documents where lease_id = wanted);
comment on function lease_document_list(uuid) is 'The documents of a lease.';

create function later_lease_version(wanted uuid) returns text
  language sql stable strict parallel safe
  return (select lease_version_number(later.id) from lease_template_versions v
    join lease_template_versions later on later.template_id = v.template_id and later.status = 'published'
      and row(later.major, later.minor, later.patch) > row(v.major, v.minor, v.patch)
    where v.id = wanted);
comment on function later_lease_version(uuid) is 'The number of the version that is to be used today in place of another; null when it is that itself, or when there is none.';

create function lease_successor(wanted uuid) returns uuid
  language sql stable strict parallel safe
  return (select id from leases where supersedes_id = wanted and status <> 'void');
comment on function lease_successor(uuid) is 'The amendment of a lease, as far as who looks sees it.';

alter table leases enable row level security;
create policy leases_of_viewer on leases using ((select viewer_administers())
  or organisation_id in (select viewer_organisations()) or issued_at is not null and id in (select shared_leases()));

-- What a lease consists of is seen by who sees the lease.
do $$
declare
  part text;
begin
  foreach part in array array['lease_parties', 'lease_premises', 'lease_deviations', 'lease_documents',
      'lease_document_chunks', 'lease_agreements'] loop
    execute format('alter table %1$s enable row level security', part);
    execute format('create policy %1$s_of_viewer on %1$s using ((select viewer_administers())
      or exists (select from leases where id = lease_id))', part);
  end loop;
end $$;

-- As its owner: who keeps a template is told who uses it, and how far it fits, but not what their leases say.
create function lease_facts() returns table (lease uuid, organisation uuid, version_used uuid, standing text, issued timestamptz, agreed timestamptz)
  language sql stable security definer set search_path = public, pg_temp
begin atomic
  select l.id, l.organisation_id, l.version_id, l.status, l.issued_at, l.agreed_at
  from leases l
    join lease_template_versions v on v.id = l.version_id
    join lease_templates t on t.id = v.template_id
  where l.issued_at is not null and l.status <> 'void'
    and ((select viewer_administers()) or l.organisation_id in (select viewer_organisations())
      or t.organisation_id in (select viewer_organisations()) or l.id in (select shared_leases()));
end;
comment on function lease_facts() is 'Leases that were issued and are not void, of which who looks may know: those of their organisations, and those made from templates that these keep.';

create function lease_departures() returns table (lease uuid, version_used uuid, clause text)
  language sql stable security definer set search_path = public, pg_temp
begin atomic
  select d.lease_id, d.version_id, d.clause_id from lease_deviations d where d.lease_id in (select lease from lease_facts());
end;
comment on function lease_departures() is 'From which clauses those leases depart; in which words is not told.';
