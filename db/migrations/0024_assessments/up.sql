-- Assessments: an organisation goes through a checklist, with evidence, actions, and somebody else who assures the result.
-- Private to the organisation and, once submitted, to those whom it names to assure it.

create table assessments (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  organisation_id uuid not null references organisations on delete restrict,
  checklist_id uuid not null references checklists on delete restrict,
  supersedes_id uuid references assessments on delete restrict,
  title text not null,
  due_on date,
  shares_results boolean not null default false,
  status text not null default 'planned',
  status_reason text,
  submitted_at timestamptz,
  submitted_by uuid references users on delete set null,
  assured_at timestamptz,
  assured_by uuid references users on delete set null,
  assured_for_id uuid references organisations on delete restrict,
  assurance text,
  score integer,
  constraint assessments_title_length check (char_length(title) between 1 and 200),
  constraint assessments_status_check check (status in ('planned', 'in_progress', 'submitted', 'changes_requested', 'assured', 'superseded')),
  constraint assessments_status_reason_length check (char_length(status_reason) between 1 and 2000),
  constraint assessments_changes_requested_for_a_reason check ((status = 'changes_requested') = (status_reason is not null)),
  constraint assessments_submitted check (submitted_at is not null or status = 'planned' or status = 'in_progress'),
  constraint assessments_assured check ((assured_at is not null) = (status = 'assured' or status = 'superseded')),
  constraint assessments_assurance_length check (char_length(assurance) between 1 and 5000),
  constraint assessments_assurance_given check ((assurance is null) = (assured_at is null)),
  constraint assessments_score_range check (score between 0 and 100),
  constraint assessments_scored check (score is null or submitted_at is not null)
);
create index assessments_organisation_id_idx on assessments (organisation_id, id);
create index assessments_checklist_id_idx on assessments (checklist_id, id);
create index assessments_supersedes_id_idx on assessments (supersedes_id);
create unique index assessments_one_successor on assessments (supersedes_id);
create index assessments_submitted_by_idx on assessments (submitted_by);
create index assessments_assured_by_idx on assessments (assured_by);
create index assessments_assured_for_id_idx on assessments (assured_for_id);
create trigger assessments_raise_version before update on assessments for each row execute function raise_version();
comment on table assessments is 'Runs of a checklist by an organisation. Private. One that was assured never changes.';
comment on column assessments.id is 'UUIDv7.';
comment on column assessments.version is 'Raised by each change, but for responses, evidence, actions and comments; the entity tag.';
comment on column assessments.created_at is 'When it was planned.';
comment on column assessments.updated_at is 'When it last changed.';
comment on column assessments.organisation_id is 'Whose it is; never changes.';
comment on column assessments.checklist_id is 'Which edition of a checklist it goes through; never changes.';
comment on column assessments.supersedes_id is 'The assessment from which its answers were carried forward, which it supersedes once it is assured; never changes.';
comment on column assessments.title is 'What it is called.';
comment on column assessments.due_on is 'By when it is to be submitted.';
comment on column assessments.shares_results is 'Whether its result counts in benchmarks.';
comment on column assessments.status is 'planned; in_progress from the first answer; submitted to those who assure it; changes_requested by them; assured; superseded by a later one.';
comment on column assessments.status_reason is 'Which changes are requested, in general.';
comment on column assessments.submitted_at is 'When it was last submitted; from then on those who assure it see it.';
comment on column assessments.submitted_by is 'Who submitted it; empty for a program, and once they are erased. Personal data.';
comment on column assessments.assured_at is 'When it was assured.';
comment on column assessments.assured_by is 'Who assured it; empty once they are erased. Personal data.';
comment on column assessments.assured_for_id is 'For which organisation they did.';
comment on column assessments.assurance is 'What they say of it.';
comment on column assessments.score is 'What it came to when it was last submitted, of 100.';

create table assessment_assurers (
  assessment_id uuid not null references assessments on delete cascade,
  position integer not null,
  organisation_id uuid references organisations on delete restrict,
  user_id uuid references users on delete cascade,
  constraint assessment_assurers_pkey primary key (assessment_id, position),
  constraint assessment_assurers_one check ((organisation_id is null) <> (user_id is null))
);
create unique index assessment_assurers_organisation_once on assessment_assurers (assessment_id, organisation_id);
create unique index assessment_assurers_user_once on assessment_assurers (assessment_id, user_id);
create index assessment_assurers_organisation_id_idx on assessment_assurers (organisation_id);
create index assessment_assurers_user_id_idx on assessment_assurers (user_id);
comment on table assessment_assurers is 'Who may assure an assessment, named by its organisation: another organisation, or a person.';
comment on column assessment_assurers.assessment_id is 'Which assessment.';
comment on column assessment_assurers.position is 'Its place among them, from 1.';
comment on column assessment_assurers.organisation_id is 'Contributors of this organisation.';
comment on column assessment_assurers.user_id is 'This person. Personal data.';

create table assessment_responses (
  assessment_id uuid not null references assessments on delete cascade,
  position integer not null,
  control_id text not null,
  version integer not null default 1,
  updated_at timestamptz not null default now(),
  updated_by uuid references users on delete set null,
  assignee_id uuid references users on delete set null,
  status text,
  statement text,
  justification text,
  indicators jsonb not null default '[]',
  evidence uuid[] not null default '{}',
  change_requested text,
  look_again text,
  constraint assessment_responses_pkey primary key (assessment_id, position),
  constraint assessment_responses_control_once unique (assessment_id, control_id),
  constraint assessment_responses_status_check check (status in ('met', 'partly_met', 'not_met', 'not_applicable')),
  constraint assessment_responses_statement_length check (char_length(statement) between 1 and 20000),
  constraint assessment_responses_justification_length check (char_length(justification) between 1 and 5000),
  constraint assessment_responses_indicators_is_list check (jsonb_typeof(indicators) = 'array'),
  constraint assessment_responses_evidence_count check (cardinality(evidence) <= 50),
  constraint assessment_responses_change_requested_length check (char_length(change_requested) between 1 and 2000),
  constraint assessment_responses_look_again_check check (look_again in ('control_changed', 'control_related', 'control_new'))
);
create index assessment_responses_updated_by_idx on assessment_responses (updated_by);
create index assessment_responses_assignee_id_idx on assessment_responses (assignee_id);
comment on table assessment_responses is 'What an organisation says to each control of a checklist, a row a control from the beginning.';
comment on column assessment_responses.assessment_id is 'In which assessment.';
comment on column assessment_responses.position is 'Place of the control in its framework.';
comment on column assessment_responses.control_id is 'Id of the control.';
comment on column assessment_responses.version is 'Raised by each change; who changes it says which they read.';
comment on column assessment_responses.updated_at is 'When it last changed.';
comment on column assessment_responses.updated_by is 'Who changed it last; empty for a program, and once they are erased. Personal data.';
comment on column assessment_responses.assignee_id is 'Who is to answer it. Personal data.';
comment on column assessment_responses.status is 'met, partly_met, not_met or not_applicable; null before it is answered.';
comment on column assessment_responses.statement is 'How it is met, or what is missing.';
comment on column assessment_responses.justification is 'Why it does not apply, or why the answer is another than its indicators give.';
comment on column assessment_responses.indicators is 'Which indicators of good practice hold: an array of objects with id, met and remarks.';
comment on column assessment_responses.evidence is 'Ids of evidence, as assessment_evidence has it, for its history.';
comment on column assessment_responses.change_requested is 'What those who assure it want changed.';
comment on column assessment_responses.look_again is 'Why an answer that was carried forward needs another look; null once somebody took it.';

create table assessment_response_versions (
  assessment_id uuid not null references assessments on delete cascade,
  position integer not null,
  version integer not null,
  written_at timestamptz not null,
  written_by uuid references users on delete set null,
  status text,
  statement text,
  justification text,
  indicators jsonb not null,
  evidence uuid[] not null,
  constraint assessment_response_versions_pkey primary key (assessment_id, position, version)
);
create index assessment_response_versions_written_by_idx on assessment_response_versions (written_by);
comment on table assessment_response_versions is 'What was said to a control before and now, written by a trigger. Append-only.';
comment on column assessment_response_versions.assessment_id is 'In which assessment.';
comment on column assessment_response_versions.position is 'To which control.';
comment on column assessment_response_versions.version is 'The version of the response.';
comment on column assessment_response_versions.written_at is 'When it was said.';
comment on column assessment_response_versions.written_by is 'Who said it; empty for a program, and once they are erased. Personal data.';
comment on column assessment_response_versions.status is 'As in assessment_responses.';
comment on column assessment_response_versions.statement is 'As in assessment_responses.';
comment on column assessment_response_versions.justification is 'As in assessment_responses.';
comment on column assessment_response_versions.indicators is 'As in assessment_responses.';
comment on column assessment_response_versions.evidence is 'As in assessment_responses.';

create table evidence (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  organisation_id uuid not null references organisations on delete restrict,
  title text not null,
  revision integer not null default 1,
  constraint evidence_title_length check (char_length(title) between 1 and 200)
);
create index evidence_organisation_id_idx on evidence (organisation_id, id);
create trigger evidence_raise_version before update on evidence for each row execute function raise_version();
comment on table evidence is 'What shows that something is so. Private; an organisation has it once and uses it in many responses.';
comment on column evidence.id is 'UUIDv7.';
comment on column evidence.version is 'Raised by each change; the entity tag.';
comment on column evidence.created_at is 'When it was added.';
comment on column evidence.updated_at is 'When it last changed.';
comment on column evidence.organisation_id is 'Whose it is; never changes.';
comment on column evidence.title is 'What it is.';
comment on column evidence.revision is 'Number of the latest revision.';

create table evidence_revisions (
  evidence_id uuid not null references evidence on delete cascade,
  revision integer not null,
  created_at timestamptz not null default now(),
  created_by uuid references users on delete set null,
  url text,
  file_name text,
  media_type text,
  size bigint,
  sha256 text,
  expires_on date,
  constraint evidence_revisions_pkey primary key (evidence_id, revision),
  constraint evidence_revisions_url_length check (char_length(url) between 1 and 2000),
  constraint evidence_revisions_file_name_length check (char_length(file_name) between 1 and 200),
  constraint evidence_revisions_size_range check (size > 0),
  constraint evidence_revisions_sha256_form check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint evidence_revisions_file_is_whole check ((sha256 is null) = (size is null) and (sha256 is null) = (media_type is null)),
  constraint evidence_revisions_link_or_file check (url is null or sha256 is null)
);
create index evidence_revisions_created_by_idx on evidence_revisions (created_by);
comment on table evidence_revisions is 'What evidence was from when on: a link or a file. Never changes.';
comment on column evidence_revisions.evidence_id is 'Of which evidence.';
comment on column evidence_revisions.revision is 'Its number, from 1.';
comment on column evidence_revisions.created_at is 'Since when.';
comment on column evidence_revisions.created_by is 'Who added it; empty for a program, and once they are erased. Personal data.';
comment on column evidence_revisions.url is 'Where it is; null for a file.';
comment on column evidence_revisions.file_name is 'What the file is called.';
comment on column evidence_revisions.media_type is 'Media type of the file.';
comment on column evidence_revisions.size is 'How many bytes the file has.';
comment on column evidence_revisions.sha256 is 'Digest of the bytes.';
comment on column evidence_revisions.expires_on is 'Last day on which it shows anything.';

create table evidence_chunks (
  evidence_id uuid not null,
  revision integer not null,
  number integer not null,
  content bytea not null,
  constraint evidence_chunks_pkey primary key (evidence_id, revision, number),
  constraint evidence_chunks_revision_fkey foreign key (evidence_id, revision)
    references evidence_revisions (evidence_id, revision) on delete cascade
);
comment on table evidence_chunks is 'The bytes of files, in pieces that are read one after the other.';
comment on column evidence_chunks.evidence_id is 'Of which evidence.';
comment on column evidence_chunks.revision is 'Of which revision.';
comment on column evidence_chunks.number is 'Its place, from 0.';
comment on column evidence_chunks.content is 'The bytes.';

create table assessment_evidence (
  assessment_id uuid not null,
  position integer not null,
  evidence_id uuid not null,
  revision integer,
  constraint assessment_evidence_pkey primary key (assessment_id, position, evidence_id),
  constraint assessment_evidence_response_fkey foreign key (assessment_id, position)
    references assessment_responses (assessment_id, position) on delete cascade,
  constraint assessment_evidence_evidence_fkey foreign key (evidence_id) references evidence on delete restrict,
  constraint assessment_evidence_revision_fkey foreign key (evidence_id, revision)
    references evidence_revisions (evidence_id, revision) on delete restrict
);
create index assessment_evidence_evidence_idx on assessment_evidence (evidence_id, revision);
comment on table assessment_evidence is 'Which evidence goes with which response.';
comment on column assessment_evidence.assessment_id is 'In which assessment.';
comment on column assessment_evidence.position is 'With which response.';
comment on column assessment_evidence.evidence_id is 'Which evidence.';
comment on column assessment_evidence.revision is 'The revision that was submitted; null before, when it is the latest.';

create table actions (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  assessment_id uuid not null references assessments on delete cascade,
  organisation_id uuid not null references organisations on delete restrict,
  title text not null,
  description text,
  owner_id uuid references users on delete set null,
  due_on date not null,
  status text not null default 'open',
  completed_on date,
  controls text[] not null default '{}',
  constraint actions_title_length check (char_length(title) between 1 and 200),
  constraint actions_description_length check (char_length(description) between 1 and 5000),
  constraint actions_status_check check (status in ('open', 'in_progress', 'completed', 'cancelled')),
  constraint actions_completed check ((status = 'completed') = (completed_on is not null)),
  constraint actions_controls_count check (cardinality(controls) <= 100)
);
create index actions_assessment_id_idx on actions (assessment_id, id);
create index actions_organisation_id_idx on actions (organisation_id, due_on, id);
create index actions_owner_id_idx on actions (owner_id);
create trigger actions_raise_version before update on actions for each row execute function raise_version();
comment on table actions is 'What is to be done about controls that are not met: a plan of action and milestones. Private.';
comment on column actions.id is 'UUIDv7.';
comment on column actions.version is 'Raised by each change; the entity tag.';
comment on column actions.created_at is 'When it was planned.';
comment on column actions.updated_at is 'When it last changed.';
comment on column actions.assessment_id is 'Out of which assessment; never changes.';
comment on column actions.organisation_id is 'Whose it is: that of the assessment.';
comment on column actions.title is 'What is to be done.';
comment on column actions.description is 'How.';
comment on column actions.owner_id is 'Who sees to it; empty once they are erased. Personal data.';
comment on column actions.due_on is 'By when.';
comment on column actions.status is 'open, in_progress, completed or cancelled.';
comment on column actions.completed_on is 'When it was completed.';
comment on column actions.controls is 'About which controls of the assessment.';

create table assessment_comments (
  id uuid primary key,
  created_at timestamptz not null default now(),
  assessment_id uuid not null references assessments on delete cascade,
  position integer,
  author_id uuid references users on delete set null,
  assures boolean not null,
  body_markdown text not null,
  body_html text not null,
  renderer smallint not null,
  constraint assessment_comments_response_fkey foreign key (assessment_id, position)
    references assessment_responses (assessment_id, position) on delete cascade,
  constraint assessment_comments_body_length check (char_length(body_markdown) between 1 and 10000)
);
create index assessment_comments_assessment_idx on assessment_comments (assessment_id, position, id);
create index assessment_comments_author_id_idx on assessment_comments (author_id);
comment on table assessment_comments is 'What those who assess and those who assure say to each other. Private; it is added to only.';
comment on column assessment_comments.id is 'UUIDv7.';
comment on column assessment_comments.created_at is 'When it was said.';
comment on column assessment_comments.assessment_id is 'About which assessment.';
comment on column assessment_comments.position is 'About which response; null for the whole.';
comment on column assessment_comments.author_id is 'Who said it; empty once they are erased. Personal data.';
comment on column assessment_comments.assures is 'Whether they assure it; else they are of its organisation.';
comment on column assessment_comments.body_markdown is 'What they said, in Markdown.';
comment on column assessment_comments.body_html is 'The same as HTML.';
comment on column assessment_comments.renderer is 'Edition of what made the HTML.';

create table benchmark_members (
  checklist_id uuid not null references checklists on delete cascade,
  organisation_id uuid not null references organisations on delete cascade,
  cohort text not null,
  joined_at timestamptz not null default now(),
  constraint benchmark_members_pkey primary key (checklist_id, organisation_id)
);
create index benchmark_members_organisation_id_idx on benchmark_members (organisation_id);
comment on table benchmark_members is 'Which organisations count in the benchmarks of a checklist. Private: nobody is told.';
comment on column benchmark_members.checklist_id is 'Of which checklist.';
comment on column benchmark_members.organisation_id is 'Which organisation.';
comment on column benchmark_members.cohort is 'Among which kind of organisation.';
comment on column benchmark_members.joined_at is 'Since when; they join five or more at a time.';

create table benchmarks (
  checklist_id uuid not null references checklists on delete cascade,
  cohort text not null,
  position integer not null,
  computed_on date not null,
  organisation_count integer not null,
  lower_quartile integer not null,
  median integer not null,
  upper_quartile integer not null,
  constraint benchmarks_pkey primary key (checklist_id, cohort, position),
  constraint benchmarks_of_five check (organisation_count >= 5),
  constraint benchmarks_range check (0 <= lower_quartile and lower_quartile <= median and median <= upper_quartile and upper_quartile <= 100),
  constraint benchmarks_rounded check (organisation_count % 5 = 0 and lower_quartile % 5 = 0 and median % 5 = 0 and upper_quartile % 5 = 0)
);
comment on table benchmarks is 'What organisations of a kind come to in a checklist, computed once a day.';
comment on column benchmarks.checklist_id is 'Of which checklist.';
comment on column benchmarks.cohort is 'Of which kind of organisation.';
comment on column benchmarks.position is 'Place of the group in the framework; 0 for all.';
comment on column benchmarks.computed_on is 'When.';
comment on column benchmarks.organisation_count is 'Of how many, rounded down to a multiple of five.';
comment on column benchmarks.lower_quartile is 'A quarter scores at most this, of 100, rounded to a multiple of five.';
comment on column benchmarks.median is 'Half score at most this.';
comment on column benchmarks.upper_quartile is 'Three quarters score at most this.';

create table benchmark_runs (
  checklist_id uuid primary key references checklists on delete cascade,
  computed_on date not null
);
comment on table benchmark_runs is 'When the benchmarks of a checklist were computed last, also if there were none to show.';
comment on column benchmark_runs.checklist_id is 'Of which checklist.';
comment on column benchmark_runs.computed_on is 'On which day.';

-- The way of an assessment. What is not named here of a row stays as it is.
create function check_assessment() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    if old.submitted_at is not null then
      raise exception 'what was submitted stays' using errcode = 'check_violation', constraint = 'assessments_immutable';
    end if;
    return old;
  end if;
  if tg_op = 'INSERT' then
    if new.status <> 'planned' or not exists (select from checklists where id = new.checklist_id and status in ('published', 'superseded') for share) then
      raise exception 'an assessment is planned of a published checklist' using errcode = 'check_violation', constraint = 'assessments_of_published';
    end if;
    return new;
  end if;
  if row(new.id, new.created_at, new.organisation_id, new.checklist_id, new.supersedes_id)
      is distinct from row(old.id, old.created_at, old.organisation_id, old.checklist_id, old.supersedes_id)
    or old.assured_at is not null and row(new.title, new.due_on, new.submitted_at, new.assured_at, new.assured_for_id, new.assurance, new.score)
      is distinct from row(old.title, old.due_on, old.submitted_at, old.assured_at, old.assured_for_id, old.assurance, old.score)
    or old.assured_at is not null and (new.assured_by is not null and new.assured_by is distinct from old.assured_by
      or new.submitted_by is not null and new.submitted_by is distinct from old.submitted_by) then
    raise exception 'an assessment does not change once it was assured' using errcode = 'check_violation', constraint = 'assessments_immutable';
  end if;
  if new.status = old.status then
    return new;
  end if;
  if not (row(old.status, new.status) in (('planned', 'in_progress'), ('in_progress', 'submitted'), ('submitted', 'changes_requested'),
      ('changes_requested', 'submitted'), ('submitted', 'assured'), ('assured', 'superseded'))) then
    raise exception 'an assessment does not go from % to %', old.status, new.status using errcode = 'check_violation', constraint = 'assessments_transition';
  end if;
  if new.status = 'submitted' and (exists (select from assessment_responses where assessment_id = new.id
        and (status is null or status = 'not_applicable' and justification is null))
      or exists (select from assessment_evidence u
        join evidence e on e.id = u.evidence_id
        join evidence_revisions r on r.evidence_id = e.id and r.revision = e.revision
        where u.assessment_id = new.id and (r.expires_on < current_date or u.revision is distinct from e.revision))) then
    raise exception 'what is submitted is whole' using errcode = 'check_violation', constraint = 'assessments_whole';
  end if;
  if new.status = 'assured' and not exists (select from assessment_assurers a where a.assessment_id = new.id
      and (a.user_id = new.assured_by or a.organisation_id = new.assured_for_id and a.organisation_id <> new.organisation_id))
    or new.status = 'assured' and new.assured_by is not distinct from new.submitted_by then
    raise exception 'who was named assures it, and not who submitted it' using errcode = 'check_violation', constraint = 'assessments_assured_by_named';
  end if;
  return new;
end $$;
comment on function check_assessment() is 'The way of an assessment from planned to superseded; what was assured stays as it is.';
create trigger assessments_check before insert or update or delete on assessments for each row execute function check_assessment();

-- Answers change before an assessment is submitted, and when changes are requested. The lock on the assessment is what lets
-- an answer and the submission not pass each other; answers do not wait for each other.
create function check_assessment_parts() returns trigger language plpgsql as $$
declare
  standing text;
begin
  for standing in select status from assessments where id in (select assessment_id from changed) for share loop
    if standing not in ('planned', 'in_progress', 'changes_requested') then
      raise exception 'what was submitted stays' using errcode = 'check_violation', constraint = 'assessments_locked';
    end if;
  end loop;
  return null;
end $$;
comment on function check_assessment_parts() is 'Evidence of responses, and those who assure, stay once an assessment was submitted.';
do $$
declare
  part text;
begin
  foreach part in array array['assessment_evidence', 'assessment_assurers'] loop
    execute format('create trigger %1$s_check_insert after insert on %1$s referencing new table as changed
      for each statement execute function check_assessment_parts()', part);
    execute format('create trigger %1$s_check_update after update on %1$s referencing new table as changed
      for each statement execute function check_assessment_parts()', part);
  end loop;
  foreach part in array array['assessments', 'assessment_responses', 'assessment_response_versions', 'assessment_evidence', 'evidence',
      'evidence_revisions', 'evidence_chunks', 'actions', 'assessment_comments'] loop
    execute format('create trigger %1$s_not_truncated before truncate on %1$s
      for each statement execute function refuse_change()', part);
  end loop;
end $$;
create trigger assessment_evidence_check_delete after delete on assessment_evidence referencing old table as changed
  for each statement execute function check_assessment_parts();

create function check_assessment_response() returns trigger language plpgsql as $$
declare
  standing text;
begin
  if tg_op = 'DELETE' then
    -- With its assessment it goes; that cannot be removed once it was submitted.
    if exists (select from assessments where id = old.assessment_id and submitted_at is not null) then
      raise exception 'what was submitted stays' using errcode = 'check_violation', constraint = 'assessments_locked';
    end if;
    return old;
  end if;
  if tg_op = 'UPDATE' and row(new.assessment_id, new.position, new.control_id) is distinct from row(old.assessment_id, old.position, old.control_id) then
    raise exception 'a response is to one control' using errcode = 'check_violation', constraint = 'assessments_immutable';
  end if;
  -- Who wrote it may be forgotten, and what is to be changed noted, at any time.
  if tg_op = 'UPDATE' and row(new.status, new.statement, new.justification, new.indicators, new.evidence, new.look_again)
      is not distinct from row(old.status, old.statement, old.justification, old.indicators, old.evidence, old.look_again) then
    return new;
  end if;
  select status into standing from assessments where id = new.assessment_id for share;
  if standing not in ('planned', 'in_progress', 'changes_requested') then
    raise exception 'what was submitted stays' using errcode = 'check_violation', constraint = 'assessments_locked';
  end if;
  return new;
end $$;
comment on function check_assessment_response() is 'Answers stay once an assessment was submitted.';
create trigger assessment_responses_check before insert or update or delete on assessment_responses
  for each row execute function check_assessment_response();

create function keep_assessment_response() returns trigger language plpgsql as $$
begin
  insert into assessment_response_versions (assessment_id, position, version, written_at, written_by, status, statement, justification, indicators, evidence)
    values (new.assessment_id, new.position, new.version, new.updated_at, new.updated_by, new.status, new.statement, new.justification,
      new.indicators, new.evidence);
  return null;
end $$;
comment on function keep_assessment_response() is 'Keeps what was said to a control, each time it is said otherwise.';
create trigger assessment_responses_keep after update on assessment_responses for each row
  when (new.version <> old.version) execute function keep_assessment_response();

create function check_response_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    if exists (select from assessments where id = old.assessment_id) then
      raise exception 'history does not change' using errcode = 'check_violation', constraint = 'assessments_immutable';
    end if;
    return old;
  end if;
  if row(new.assessment_id, new.position, new.version, new.written_at, new.status, new.statement, new.justification, new.indicators, new.evidence)
      is distinct from row(old.assessment_id, old.position, old.version, old.written_at, old.status, old.statement, old.justification, old.indicators, old.evidence)
    or new.written_by is not null and new.written_by is distinct from old.written_by then
    raise exception 'history does not change' using errcode = 'check_violation', constraint = 'assessments_immutable';
  end if;
  return new;
end $$;
comment on function check_response_version() is 'Who said something may be forgotten; what was said is not.';
create trigger assessment_response_versions_check before update or delete on assessment_response_versions
  for each row execute function check_response_version();

create function check_assessment_comment() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    if exists (select from assessments where id = old.assessment_id) then
      raise exception 'what was said stays' using errcode = 'check_violation', constraint = 'assessments_immutable';
    end if;
    return old;
  end if;
  if new.author_id is not null or row(new.id, new.created_at, new.assessment_id, new.position, new.assures, new.body_markdown)
      is distinct from row(old.id, old.created_at, old.assessment_id, old.position, old.assures, old.body_markdown) then
    raise exception 'what was said stays' using errcode = 'check_violation', constraint = 'assessments_immutable';
  end if;
  return new;
end $$;
comment on function check_assessment_comment() is 'Who said something may be forgotten; what was said is not.';
create trigger assessment_comments_check before update or delete on assessment_comments
  for each row execute function check_assessment_comment();

create function check_evidence_revision() returns trigger language plpgsql as $$
begin
  if row(new.evidence_id, new.revision, new.created_at, new.url, new.file_name, new.media_type, new.size, new.sha256, new.expires_on)
      is distinct from row(old.evidence_id, old.revision, old.created_at, old.url, old.file_name, old.media_type, old.size, old.sha256, old.expires_on)
    or new.created_by is not null and new.created_by is distinct from old.created_by then
    raise exception 'a revision does not change' using errcode = 'check_violation', constraint = 'evidence_revisions_immutable';
  end if;
  return new;
end $$;
comment on function check_evidence_revision() is 'A revision of evidence stays as it is; another takes its place.';
create trigger evidence_revisions_check before update on evidence_revisions for each row execute function check_evidence_revision();
create trigger evidence_chunks_immutable before update on evidence_chunks for each row execute function refuse_change();

grant select, insert, update, delete on assessments, assessment_assurers, assessment_responses, assessment_response_versions, evidence,
  evidence_revisions, evidence_chunks, assessment_evidence, actions, assessment_comments, benchmark_members, benchmarks, benchmark_runs to loti_service;

-- As its owner: of a submitted assessment, those who are named to assure it see what its organisation sees.
create function assured_assessments() returns setof uuid
  language sql stable security definer set search_path = public, pg_temp
begin atomic
  select a.assessment_id from assessment_assurers a join assessments s on s.id = a.assessment_id
  where s.submitted_at is not null
    and (a.user_id = viewer_id('person') or a.organisation_id in (select viewer_organisations()));
end;
comment on function assured_assessments() is 'The assessments that who looks may assure.';

create function assurer_list(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select coalesce(jsonb_agg(jsonb_build_object('organisation', organisation_ref(organisation_id),
      'person', (select jsonb_build_object('id', u.id, 'name', u.display_name) from users u where u.id = user_id)) order by position), '[]'::jsonb)
    from assessment_assurers where assessment_id = wanted);
comment on function assurer_list(uuid) is 'Who may assure an assessment.';

create function person_ref(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('id', id, 'name', display_name) from users where id = wanted);
comment on function person_ref(uuid) is 'A person by name.';

create function assessment_progress(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('controls', count(*), 'answered', count(status), 'changes_requested', count(change_requested),
      'look_again', count(look_again)) from assessment_responses where assessment_id = wanted);
comment on function assessment_progress(uuid) is 'How many responses an assessment has, and how many need something yet.';

-- As its owner: who assures the later one need not see the earlier one.
create function supersede_assessment(later uuid) returns uuid
  language sql volatile strict security definer set search_path = public, pg_temp
begin atomic
  update assessments e set status = 'superseded' from assessments l
    where l.id = later and l.status = 'assured' and e.id = l.supersedes_id and e.status = 'assured'
    returning e.id;
end;
comment on function supersede_assessment(uuid) is 'Supersedes the assured assessment whose answers one that was assured carried forward; its id.';

create function assessment_successor(wanted uuid) returns uuid
  language sql stable strict parallel safe
  return (select id from assessments where supersedes_id = wanted);
comment on function assessment_successor(uuid) is 'The assessment into which answers were carried forward, as far as who looks sees it.';

alter table assessments enable row level security;
create policy assessments_of_viewer on assessments using ((select viewer_is_operator())
  or organisation_id in (select viewer_organisations()) or submitted_at is not null and id in (select assured_assessments()));
do $$
declare
  part text;
begin
  foreach part in array array['assessment_assurers', 'assessment_responses', 'assessment_response_versions', 'assessment_evidence', 'actions',
      'assessment_comments'] loop
    execute format('alter table %1$s enable row level security', part);
    execute format('create policy %1$s_of_viewer on %1$s using ((select viewer_is_operator())
      or assessment_id in (select id from assessments))', part);
  end loop;
end $$;
alter table evidence enable row level security;
create policy evidence_of_viewer on evidence using ((select viewer_is_operator())
  or organisation_id in (select viewer_organisations()) or id in (select evidence_id from assessment_evidence));
alter table evidence_revisions enable row level security;
create policy evidence_revisions_of_viewer on evidence_revisions using ((select viewer_is_operator())
  or evidence_id in (select id from evidence));
alter table evidence_chunks enable row level security;
create policy evidence_chunks_of_viewer on evidence_chunks using ((select viewer_is_operator())
  or evidence_id in (select id from evidence));
alter table benchmark_members enable row level security;
create policy benchmark_members_of_nobody on benchmark_members using ((select viewer_is_operator()));
