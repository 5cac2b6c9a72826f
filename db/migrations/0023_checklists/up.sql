-- How frameworks relate, and checklists: selections of controls of a framework, as OSCAL profiles (NIST, profile model 1.1).

create table framework_mappings (
  framework_id uuid not null references frameworks on delete restrict,
  item_id text not null,
  target_framework_id uuid not null references frameworks on delete restrict,
  target_item_id text not null,
  relationship text not null,
  remarks text,
  constraint framework_mappings_pkey primary key (framework_id, item_id, target_framework_id, target_item_id),
  constraint framework_mappings_item_fkey foreign key (framework_id, item_id)
    references framework_items (framework_id, item_id) on delete restrict,
  constraint framework_mappings_target_item_fkey foreign key (target_framework_id, target_item_id)
    references framework_items (framework_id, item_id) on delete restrict,
  constraint framework_mappings_to_another check (framework_id <> target_framework_id),
  constraint framework_mappings_relationship_check check (relationship in ('equal', 'subset', 'superset', 'intersects')),
  constraint framework_mappings_remarks_length check (char_length(remarks) between 1 and 1000)
);
create index framework_mappings_target_idx on framework_mappings (target_framework_id, target_item_id);
comment on table framework_mappings is 'How controls of one framework relate to those of another; both were published.';
comment on column framework_mappings.framework_id is 'From which framework, whose keeper says so.';
comment on column framework_mappings.item_id is 'Which of its controls.';
comment on column framework_mappings.target_framework_id is 'To which framework.';
comment on column framework_mappings.target_item_id is 'Which of its controls.';
comment on column framework_mappings.relationship is 'What the control asks for, against what the target asks for: equal, a subset, a superset, or it intersects.';
comment on column framework_mappings.remarks is 'What to bear in mind.';

create function check_framework_mapping() returns trigger language plpgsql as $$
begin
  if exists (select from frameworks where id in (new.framework_id, new.target_framework_id) and status = 'draft') then
    raise exception 'controls of drafts come and go' using errcode = 'check_violation', constraint = 'framework_mappings_of_published';
  end if;
  return new;
end $$;
comment on function check_framework_mapping() is 'Controls relate once their frameworks were published.';
create trigger framework_mappings_check before insert or update on framework_mappings
  for each row execute function check_framework_mapping();

create table checklists (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  slug text not null constraint checklists_slug_key unique,
  title text not null,
  edition text not null,
  summary text,
  organisation_id uuid not null references organisations on delete restrict,
  framework_id uuid not null references frameworks on delete restrict,
  supersedes_id uuid references checklists on delete restrict,
  included jsonb not null default '[]',
  excluded jsonb not null default '[]',
  parameters jsonb not null default '[]',
  applies_to text[] not null default '{}',
  due_months integer,
  scoring text not null,
  profile jsonb not null default '{}',
  control_count integer not null default 0,
  status text not null default 'draft',
  status_reason text,
  published_at timestamptz,
  constraint checklists_title_length check (char_length(title) between 1 and 200),
  constraint checklists_edition_length check (char_length(edition) between 1 and 60),
  constraint checklists_summary_length check (char_length(summary) between 1 and 300),
  constraint checklists_included_is_list check (jsonb_typeof(included) = 'array'),
  constraint checklists_excluded_is_list check (jsonb_typeof(excluded) = 'array'),
  constraint checklists_parameters_is_list check (jsonb_typeof(parameters) = 'array'),
  constraint checklists_profile_is_object check (jsonb_typeof(profile) = 'object'),
  constraint checklists_due_months_range check (due_months between 1 and 120),
  constraint checklists_scoring_check check (scoring in ('all_met', 'weighted', 'graded')),
  constraint checklists_status_check check (status in ('draft', 'published', 'superseded', 'withdrawn')),
  constraint checklists_status_reason_length check (char_length(status_reason) between 1 and 1000),
  constraint checklists_published check ((status = 'draft') = (published_at is null)),
  constraint checklists_withdrawn_for_a_reason check ((status = 'withdrawn') = (status_reason is not null)),
  constraint checklists_supersedes_another check (supersedes_id <> id)
);
create index checklists_title_idx on checklists (fold(title), id);
create index checklists_organisation_id_idx on checklists (organisation_id);
create index checklists_framework_id_idx on checklists (framework_id);
create index checklists_supersedes_id_idx on checklists (supersedes_id);
create unique index checklists_one_successor on checklists (supersedes_id) where status <> 'draft';
create trigger checklists_raise_version before update on checklists for each row execute function raise_version();
create trigger checklists_claim_slug after insert or update of slug on checklists
  for each row execute function claim_slug();
comment on table checklists is 'Editions of selections of controls that organisations go through. One that was published never changes.';
comment on column checklists.id is 'UUIDv7.';
comment on column checklists.version is 'Raised by each change, of its controls as well; the entity tag.';
comment on column checklists.created_at is 'When it was added.';
comment on column checklists.updated_at is 'When it last changed.';
comment on column checklists.slug is 'Present slug; earlier ones are in slugs.';
comment on column checklists.title is 'What it is called.';
comment on column checklists.edition is 'Which edition of it: the version of its OSCAL metadata.';
comment on column checklists.summary is 'What it is for, in a line.';
comment on column checklists.organisation_id is 'Who keeps it here.';
comment on column checklists.framework_id is 'Of which framework it selects controls.';
comment on column checklists.supersedes_id is 'The edition that it takes the place of; never changes once it was published.';
comment on column checklists.included is 'What it includes: an array of selectors with ids, groups, matching and with_child_controls; all controls when empty.';
comment on column checklists.excluded is 'What of that it leaves out: the same.';
comment on column checklists.parameters is 'Values of parameters of the framework: an array of objects with parameter and values.';
comment on column checklists.applies_to is 'Kinds of organisation that it is for; all when empty.';
comment on column checklists.due_months is 'After how many months it is to be gone through again.';
comment on column checklists.scoring is 'How an assessment is scored: all_met, weighted, or graded by indicators.';
comment on column checklists.profile is 'Its OSCAL profile but for what the other columns say, as it came in.';
comment on column checklists.control_count is 'How many controls it selects; kept by a trigger.';
comment on column checklists.status is 'draft, published, superseded by another edition, or withdrawn.';
comment on column checklists.status_reason is 'Why it was withdrawn.';
comment on column checklists.published_at is 'When it was published.';

create table checklist_controls (
  checklist_id uuid not null references checklists on delete cascade,
  position integer not null,
  framework_id uuid not null,
  control_id text not null,
  guidance text,
  weight integer not null default 1,
  constraint checklist_controls_pkey primary key (checklist_id, position),
  constraint checklist_controls_item_fkey foreign key (framework_id, position)
    references framework_items (framework_id, position) on delete restrict,
  constraint checklist_controls_control_id_once unique (checklist_id, control_id),
  constraint checklist_controls_guidance_length check (char_length(guidance) between 1 and 5000),
  constraint checklist_controls_weight_range check (weight between 1 and 100)
);
create index checklist_controls_item_idx on checklist_controls (framework_id, position);
comment on table checklist_controls is 'Which controls a checklist selects, as its includes and excludes amount to.';
comment on column checklist_controls.checklist_id is 'Which checklist.';
comment on column checklist_controls.position is 'Place of the control in its framework.';
comment on column checklist_controls.framework_id is 'The framework of the checklist.';
comment on column checklist_controls.control_id is 'Id of the control.';
comment on column checklist_controls.guidance is 'What who keeps the checklist adds to what the framework says.';
comment on column checklist_controls.weight is 'How much it counts for.';

create function check_checklist() returns trigger language plpgsql as $$
declare
  standing text;
begin
  if tg_op = 'DELETE' then
    if old.status <> 'draft' then
      raise exception 'only a draft is removed' using errcode = 'check_violation', constraint = 'checklists_immutable';
    end if;
    return old;
  end if;
  if row(new.id, new.created_at) is distinct from row(old.id, old.created_at)
    or old.status <> 'draft' and row(new.title, new.edition, new.framework_id, new.supersedes_id, new.included, new.excluded, new.parameters,
        new.applies_to, new.due_months, new.scoring, new.profile, new.control_count, new.published_at)
      is distinct from row(old.title, old.edition, old.framework_id, old.supersedes_id, old.included, old.excluded, old.parameters,
        old.applies_to, old.due_months, old.scoring, old.profile, old.control_count, old.published_at)
    or old.status = 'withdrawn' and new.status_reason is distinct from old.status_reason then
    raise exception 'a checklist does not change once it was published' using errcode = 'check_violation', constraint = 'checklists_immutable';
  end if;
  if new.status = old.status then
    return new;
  end if;
  if not (row(old.status, new.status) in (('draft', 'published'), ('published', 'superseded'), ('published', 'withdrawn'), ('superseded', 'withdrawn'))) then
    raise exception 'a checklist does not go from % to %', old.status, new.status using errcode = 'check_violation', constraint = 'checklists_transition';
  end if;
  if new.status = 'published' then
    select status into standing from frameworks where id = new.framework_id for share;
    if new.control_count = 0 or standing not in ('published', 'superseded') then
      raise exception 'a checklist selects controls of a published framework' using errcode = 'check_violation', constraint = 'checklists_of_published';
    end if;
  end if;
  return new;
end $$;
comment on function check_checklist() is 'The way of a checklist from draft to withdrawn; what was published stays as it is.';
create trigger checklists_check before update or delete on checklists for each row execute function check_checklist();

create function check_checklist_controls() returns trigger language plpgsql as $$
declare
  standing text;
begin
  for standing in select status from checklists where id in (select checklist_id from changed) for update loop
    if standing <> 'draft' then
      raise exception 'controls change while their checklist is a draft' using errcode = 'check_violation', constraint = 'checklists_immutable';
    end if;
  end loop;
  if exists (select from checklist_controls c join checklists l on l.id = c.checklist_id
      where c.checklist_id in (select checklist_id from changed) and c.framework_id <> l.framework_id) then
    raise exception 'a checklist selects controls of its framework' using errcode = 'check_violation', constraint = 'checklist_controls_of_framework';
  end if;
  update checklists set control_count = (select count(*) from checklist_controls where checklist_id = id)
    where id in (select checklist_id from changed) and status = 'draft';
  return null;
end $$;
comment on function check_checklist_controls() is 'Controls change while their checklist is a draft; keeps checklists.control_count.';
create trigger checklist_controls_check_insert after insert on checklist_controls referencing new table as changed
  for each statement execute function check_checklist_controls();
create trigger checklist_controls_check_update after update on checklist_controls referencing new table as changed
  for each statement execute function check_checklist_controls();
create trigger checklist_controls_check_update_old after update on checklist_controls referencing old table as changed
  for each statement execute function check_checklist_controls();
create trigger checklist_controls_check_delete after delete on checklist_controls referencing old table as changed
  for each statement execute function check_checklist_controls();
create trigger checklists_not_truncated before truncate on checklists
  for each statement execute function refuse_change();
create trigger checklist_controls_not_truncated before truncate on checklist_controls
  for each statement execute function refuse_change();

create function checklist_ref(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('id', id, 'slug', slug, 'title', title, 'edition', edition) from checklists where id = wanted);
comment on function checklist_ref(uuid) is 'A checklist as a reference.';

create function checklist_successor(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select checklist_ref(id) from checklists where supersedes_id = wanted and status <> 'draft');
comment on function checklist_successor(uuid) is 'The edition that took the place of another.';

grant select, insert, update, delete on framework_mappings, checklists, checklist_controls to loti_service;
