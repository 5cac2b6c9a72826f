-- Standard leases: templates, their versions with clauses and variables, and who approved them.

create table lease_templates (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  slug text not null constraint lease_templates_slug_key unique,
  title text not null,
  summary text,
  notice text,
  kind text not null,
  organisation_id uuid not null references organisations on delete restrict,
  forked_from_id uuid,
  approvals_required smallint not null default 2,
  constraint lease_templates_title_length check (char_length(title) between 1 and 200),
  constraint lease_templates_summary_length check (char_length(summary) between 1 and 300),
  constraint lease_templates_notice_length check (char_length(notice) between 1 and 300),
  constraint lease_templates_kind_check check (kind in ('wayleave', 'street_furniture', 'data_processing', 'lease', 'licence', 'other')),
  constraint lease_templates_approvals_required_range check (approvals_required between 0 and 5)
);
create index lease_templates_title_idx on lease_templates (fold(title), id);
create index lease_templates_organisation_id_idx on lease_templates (organisation_id);
create index lease_templates_forked_from_id_idx on lease_templates (forked_from_id);
create trigger lease_templates_raise_version before update on lease_templates for each row execute function raise_version();
create trigger lease_templates_claim_slug after insert or update of slug on lease_templates
  for each row execute function claim_slug();
comment on table lease_templates is 'Standard agreements that are filled in: wayleaves, agreements on street furniture and their schedules.';
comment on column lease_templates.id is 'UUIDv7.';
comment on column lease_templates.version is 'Raised by each change; the entity tag.';
comment on column lease_templates.created_at is 'When it was added.';
comment on column lease_templates.updated_at is 'When it last changed.';
comment on column lease_templates.slug is 'Present slug; earlier ones are in slugs.';
comment on column lease_templates.title is 'What it is called.';
comment on column lease_templates.summary is 'What it is for, in a line.';
comment on column lease_templates.notice is 'What readers have to know before they use it, such as that it is illustrative.';
comment on column lease_templates.kind is 'What sort of agreement it is.';
comment on column lease_templates.organisation_id is 'Who keeps it.';
comment on column lease_templates.forked_from_id is 'The version of another template of which it is a variant; never changes.';
comment on column lease_templates.approvals_required is 'How many organisations have to approve a version before it is published.';

create table lease_template_versions (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  template_id uuid not null references lease_templates on delete cascade,
  major integer not null,
  minor integer not null,
  patch integer not null,
  status text not null default 'draft',
  status_reason text,
  notes text,
  based_on_id uuid references lease_template_versions on delete restrict,
  content_sha256 text,
  submitted_at timestamptz,
  submitted_by uuid references users on delete set null,
  published_at timestamptz,
  constraint lease_template_versions_number_key unique (template_id, major, minor, patch),
  constraint lease_template_versions_status_check check (status in ('draft', 'in_review', 'published', 'superseded', 'withdrawn')),
  constraint lease_template_versions_number_range check (major between 0 and 999999 and minor between 0 and 999999 and patch between 0 and 999999),
  constraint lease_template_versions_status_reason_length check (char_length(status_reason) between 1 and 1000),
  constraint lease_template_versions_notes_length check (char_length(notes) between 1 and 20000),
  constraint lease_template_versions_sealed check ((status = 'draft') = (content_sha256 is null) and (status = 'draft') = (submitted_at is null)),
  constraint lease_template_versions_content_sha256_form check (content_sha256 ~ '^[0-9a-f]{64}$'),
  constraint lease_template_versions_published check ((status = 'draft' or status = 'in_review') = (published_at is null)),
  constraint lease_template_versions_withdrawn_for_a_reason check (status <> 'withdrawn' or status_reason is not null)
);
create unique index lease_template_versions_one_published on lease_template_versions (template_id) where status = 'published';
create index lease_template_versions_based_on_id_idx on lease_template_versions (based_on_id);
create index lease_template_versions_submitted_by_idx on lease_template_versions (submitted_by);
create trigger lease_template_versions_raise_version before update on lease_template_versions
  for each row execute function raise_version();
comment on table lease_template_versions is 'Versions of templates. One that was published never changes.';
comment on column lease_template_versions.id is 'UUIDv7.';
comment on column lease_template_versions.version is 'Raised by each change, of its clauses and variables as well; the entity tag.';
comment on column lease_template_versions.created_at is 'When it was begun.';
comment on column lease_template_versions.updated_at is 'When it last changed.';
comment on column lease_template_versions.template_id is 'Of which template.';
comment on column lease_template_versions.major is 'First number of its version (semver.org): raised where leases by the one before no longer say the same.';
comment on column lease_template_versions.minor is 'Second number: raised where something is added.';
comment on column lease_template_versions.patch is 'Third number: raised where words are put right.';
comment on column lease_template_versions.status is 'draft, in_review, published, superseded by the next, or withdrawn.';
comment on column lease_template_versions.status_reason is 'Why it was withdrawn, or what reviewers want changed.';
comment on column lease_template_versions.notes is 'What is new in it, in Markdown.';
comment on column lease_template_versions.based_on_id is 'The version of which it began as a copy; never changes.';
comment on column lease_template_versions.content_sha256 is 'Digest of its clauses and variables, from when it was submitted.';
comment on column lease_template_versions.submitted_at is 'When it was submitted for review.';
comment on column lease_template_versions.submitted_by is 'Who submitted it; empty for a program, and once they are erased. Personal data.';
comment on column lease_template_versions.published_at is 'When it was published.';

alter table lease_templates add constraint lease_templates_forked_from_id_fkey
  foreign key (forked_from_id) references lease_template_versions on delete restrict;

create table lease_variables (
  version_id uuid not null references lease_template_versions on delete cascade,
  name text not null,
  position integer not null,
  label text not null,
  kind text not null,
  help text,
  required boolean not null,
  required_if jsonb not null,
  minimum text,
  maximum text,
  pattern text,
  options jsonb not null,
  constraint lease_variables_pkey primary key (version_id, name),
  constraint lease_variables_position_key unique (version_id, position),
  constraint lease_variables_name_form check (name ~ '^[a-z][a-z0-9_]{0,59}$'),
  constraint lease_variables_kind_check check (kind in ('text', 'integer', 'money', 'date', 'duration', 'boolean', 'enum', 'organisation', 'uprn_list')),
  constraint lease_variables_label_length check (char_length(label) between 1 and 200),
  constraint lease_variables_help_length check (char_length(help) between 1 and 1000),
  constraint lease_variables_pattern_length check (char_length(pattern) between 1 and 200),
  constraint lease_variables_options_of_enum check ((kind = 'enum') = (jsonb_array_length(options) > 0))
);
comment on table lease_variables is 'What is filled into a version of a template.';
comment on column lease_variables.version_id is 'Of which version.';
comment on column lease_variables.name is 'Name by which clauses refer to it.';
comment on column lease_variables.position is 'Its place among them, from 1.';
comment on column lease_variables.label is 'What people are asked for.';
comment on column lease_variables.kind is 'What sort of value it takes.';
comment on column lease_variables.help is 'How to answer.';
comment on column lease_variables.required is 'Whether a lease cannot do without it.';
comment on column lease_variables.required_if is 'Conditions under all of which a lease cannot do without it; an array.';
comment on column lease_variables.minimum is 'The least it may be, or the fewest characters or premises.';
comment on column lease_variables.maximum is 'The most it may be, or the most characters or premises.';
comment on column lease_variables.pattern is 'Regular expression that a text has to match as a whole.';
comment on column lease_variables.options is 'What can be chosen, of an enum: an array of objects with value and label.';

create table lease_clauses (
  version_id uuid not null references lease_template_versions on delete cascade,
  clause_id text not null,
  position integer not null,
  parent_id text,
  heading text not null,
  body text not null,
  kind text not null,
  note text,
  conditions jsonb not null,
  constraint lease_clauses_pkey primary key (version_id, clause_id),
  constraint lease_clauses_position_key unique (version_id, position),
  constraint lease_clauses_parent_id_fkey foreign key (version_id, parent_id)
    references lease_clauses (version_id, clause_id) on delete no action,
  constraint lease_clauses_clause_id_form check (clause_id ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(clause_id) <= 60),
  constraint lease_clauses_parent_id_another check (parent_id <> clause_id),
  constraint lease_clauses_kind_check check (kind in ('fixed', 'negotiable', 'optional')),
  constraint lease_clauses_heading_length check (char_length(heading) between 1 and 200),
  constraint lease_clauses_body_length check (char_length(body) <= 20000),
  constraint lease_clauses_note_length check (char_length(note) between 1 and 5000)
);
create index lease_clauses_parent_id_idx on lease_clauses (version_id, parent_id);
comment on table lease_clauses is 'What a version of a template says.';
comment on column lease_clauses.version_id is 'Of which version.';
comment on column lease_clauses.clause_id is 'What it is known by in all versions, whatever its number.';
comment on column lease_clauses.position is 'Its place among them, from 1; what it is part of comes before it.';
comment on column lease_clauses.parent_id is 'The clause that it is part of.';
comment on column lease_clauses.heading is 'What it is about.';
comment on column lease_clauses.body is 'What it says, in Markdown, with variables in double braces.';
comment on column lease_clauses.kind is 'fixed: as it stands; negotiable: a lease may say otherwise; optional: a lease may leave it out.';
comment on column lease_clauses.note is 'The same in plain language.';
comment on column lease_clauses.conditions is 'Conditions under all of which a lease has it; an array.';

create table lease_approvals (
  id uuid primary key,
  created_at timestamptz not null default now(),
  version_id uuid not null references lease_template_versions on delete cascade,
  organisation_id uuid not null references organisations on delete restrict,
  user_id uuid references users on delete set null,
  content_sha256 text not null,
  constraint lease_approvals_once unique (version_id, organisation_id)
);
create index lease_approvals_organisation_id_idx on lease_approvals (organisation_id);
create index lease_approvals_user_id_idx on lease_approvals (user_id);
comment on table lease_approvals is 'Which organisations approved a version of a template.';
comment on column lease_approvals.id is 'UUIDv7.';
comment on column lease_approvals.created_at is 'When.';
comment on column lease_approvals.version_id is 'Which version.';
comment on column lease_approvals.organisation_id is 'For which organisation.';
comment on column lease_approvals.user_id is 'Who; empty for a program, and once they are erased. Personal data.';
comment on column lease_approvals.content_sha256 is 'Digest of what they approved.';

-- What was published may be superseded or withdrawn, and nothing else of it changes but that people are forgotten. What
-- is under review does not change either: what is approved is what is published.
create function check_lease_template_version() returns trigger language plpgsql as $$
declare
  approved integer;
  needed integer;
begin
  if tg_op = 'DELETE' then
    if old.status <> 'draft' then
      raise exception 'only a draft is removed' using errcode = 'check_violation', constraint = 'lease_template_versions_immutable';
    end if;
    return old;
  end if;
  if row(new.id, new.template_id, new.created_at, new.based_on_id) is distinct from row(old.id, old.template_id, old.created_at, old.based_on_id)
    or old.status <> 'draft' and new.status <> 'draft' and row(new.major, new.minor, new.patch, new.notes, new.content_sha256, new.submitted_at)
      is distinct from row(old.major, old.minor, old.patch, old.notes, old.content_sha256, old.submitted_at)
    or old.published_at is not null and new.published_at is distinct from old.published_at
    or old.submitted_by is distinct from new.submitted_by and new.submitted_by is not null and old.status <> 'draft' then
    raise exception 'a version does not change once it was submitted' using errcode = 'check_violation', constraint = 'lease_template_versions_immutable';
  end if;
  if new.status = old.status then
    if old.status = 'withdrawn' and new.status_reason is distinct from old.status_reason then
      raise exception 'why it was withdrawn stays' using errcode = 'check_violation', constraint = 'lease_template_versions_immutable';
    end if;
    return new;
  end if;
  if not (row(old.status, new.status) in (('draft', 'in_review'), ('in_review', 'draft'), ('in_review', 'published'),
      ('published', 'superseded'), ('published', 'withdrawn'), ('superseded', 'withdrawn'))) then
    raise exception 'a version does not go from % to %', old.status, new.status using errcode = 'check_violation', constraint = 'lease_template_versions_transition';
  end if;
  if new.status = 'published' then
    select approvals_required into needed from lease_templates where id = new.template_id;
    select count(*) into approved from lease_approvals where version_id = new.id and content_sha256 = new.content_sha256;
    if approved < needed then
      raise exception '% of % approvals', approved, needed using errcode = 'check_violation', constraint = 'lease_template_versions_approved';
    end if;
  end if;
  return new;
end $$;
comment on function check_lease_template_version() is 'The way of a version from draft to withdrawn; what was submitted stays as it is.';
create trigger lease_template_versions_check before update or delete on lease_template_versions
  for each row execute function check_lease_template_version();

create function check_lease_template() returns trigger language plpgsql as $$
begin
  if row(new.id, new.created_at, new.forked_from_id) is distinct from row(old.id, old.created_at, old.forked_from_id) then
    raise exception 'where a template comes from stays' using errcode = 'check_violation', constraint = 'lease_templates_immutable';
  end if;
  return new;
end $$;
comment on function check_lease_template() is 'The lineage of a template does not change.';
create trigger lease_templates_check before update on lease_templates for each row execute function check_lease_template();

-- The lock on the version is what lets a change of its content and its submission not pass each other.
create function check_lease_content() returns trigger language plpgsql as $$
declare
  held uuid;
  standing text;
begin
  foreach held in array case tg_op when 'INSERT' then array[new.version_id] when 'DELETE' then array[old.version_id]
      else array[old.version_id, new.version_id] end loop
    select status into standing from lease_template_versions where id = held for update;
    -- There is none where the version itself is being removed, which its own trigger judged.
    if standing <> 'draft' then
      raise exception 'the content of a version changes while it is a draft' using errcode = 'check_violation', constraint = 'lease_template_versions_immutable';
    end if;
  end loop;
  return coalesce(new, old);
end $$;
comment on function check_lease_content() is 'Clauses and variables change while their version is a draft.';
create trigger lease_clauses_check before insert or update or delete on lease_clauses for each row execute function check_lease_content();
create trigger lease_variables_check before insert or update or delete on lease_variables for each row execute function check_lease_content();

-- What a clause is part of comes before it, so there are no circles.
create function check_lease_clause_order() returns trigger language plpgsql as $$
declare
  above integer;
begin
  if new.parent_id is not null then
    select position into above from lease_clauses where version_id = new.version_id and clause_id = new.parent_id;
    if above >= new.position then
      raise exception 'a clause comes behind what it is part of' using errcode = 'check_violation', constraint = 'lease_clauses_behind_parent';
    end if;
  end if;
  return new;
end $$;
comment on function check_lease_clause_order() is 'What a clause is part of comes before it.';
create trigger lease_clauses_order before insert or update on lease_clauses for each row execute function check_lease_clause_order();

create function check_lease_approval() returns trigger language plpgsql as $$
declare
  held lease_template_versions%rowtype;
begin
  if tg_op = 'UPDATE' then
    if row(new.id, new.created_at, new.version_id, new.organisation_id, new.content_sha256)
        is distinct from row(old.id, old.created_at, old.version_id, old.organisation_id, old.content_sha256)
      or new.user_id is distinct from old.user_id and new.user_id is not null then
      raise exception 'an approval does not change' using errcode = 'check_violation', constraint = 'lease_template_versions_immutable';
    end if;
    return new;
  end if;
  select * into held from lease_template_versions where id = coalesce(new.version_id, old.version_id) for update;
  if tg_op = 'INSERT' and (held.status is distinct from 'in_review' or new.content_sha256 is distinct from held.content_sha256)
    or tg_op = 'DELETE' and held.status <> 'in_review' then
    raise exception 'a version is approved while it is under review' using errcode = 'check_violation', constraint = 'lease_approvals_in_review';
  end if;
  return coalesce(new, old);
end $$;
comment on function check_lease_approval() is 'Versions are approved, and approvals taken back, while they are under review.';
create trigger lease_approvals_check before insert or update or delete on lease_approvals for each row execute function check_lease_approval();

create function lease_version_number(wanted uuid) returns text
  language sql stable strict parallel safe
  return (select major || '.' || minor || '.' || patch from lease_template_versions where id = wanted);
comment on function lease_version_number(uuid) is 'The number of a version of a template.';

create function lease_version_ref(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('template_id', t.id, 'slug', t.slug, 'title', t.title, 'number', lease_version_number(v.id))
    from lease_template_versions v join lease_templates t on t.id = v.template_id where v.id = wanted);
comment on function lease_version_ref(uuid) is 'A version of a template as a reference.';

create function current_lease_version(template uuid) returns text
  language sql stable strict parallel safe
  return (select lease_version_number(id) from lease_template_versions where template_id = template and status = 'published');
comment on function current_lease_version(uuid) is 'The number of the version of a template that is to be used today.';

create function lease_approval_list(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select coalesce(jsonb_agg(jsonb_build_object('organisation', organisation_ref(organisation_id), 'approved_at', created_at)
      order by id), '[]'::jsonb) from lease_approvals where version_id = wanted);
comment on function lease_approval_list(uuid) is 'Which organisations approved a version, the first before the others.';

grant select, insert, update, delete on lease_templates, lease_template_versions, lease_variables, lease_clauses, lease_approvals to loti_service;
