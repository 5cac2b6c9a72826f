-- Imports over HTTP: a file that an organisation sends, kept until it has been applied, and what became of its rows.

alter table source_records drop constraint source_records_source_length,
  add constraint source_records_source_length check (char_length(source) between 1 and 120);
comment on column source_records.source is 'Name of the data set; of one that an organisation sends itself, behind its id and a slash.';

create table imports (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  organisation_id uuid not null references organisations on delete cascade,
  resource text not null,
  format text not null,
  source text not null,
  dry_run boolean not null,
  end_absent boolean not null,
  status text not null default 'queued',
  created_by uuid references users on delete set null,
  client_id uuid references clients on delete set null,
  provider_id uuid,
  oauth_client text,
  request_id text not null,
  line bigint not null default 0,
  created integer not null default 0,
  changed integer not null default 0,
  unchanged integer not null default 0,
  refused integer not null default 0,
  ended integer not null default 0,
  notes text[] not null default '{}',
  failure text,
  lease uuid,
  leased_until timestamptz,
  attempts smallint not null default 0,
  started_at timestamptz,
  finished_at timestamptz,
  constraint imports_resource_check check (resource in ('citations', 'products')),
  constraint imports_format_check check (format in ('csv', 'ndjson')),
  constraint imports_source_length check (char_length(source) between 1 and 80),
  constraint imports_status_check check (status in ('queued', 'running', 'completed', 'failed')),
  constraint imports_only_citations_end check (resource = 'citations' or not end_absent),
  constraint imports_one_sender check (created_by is null or client_id is null),
  constraint imports_failure_length check (char_length(failure) between 1 and 1000),
  constraint imports_failed_says_why check ((status = 'failed') = (failure is not null)),
  constraint imports_finished check ((status = 'completed' or status = 'failed') = (finished_at is not null)),
  constraint imports_leased_while_running check ((status = 'running') = (lease is not null)
    and (lease is null) = (leased_until is null)),
  constraint imports_counts_not_negative check (least(line, created, changed, unchanged, refused, ended, attempts) >= 0)
);
-- Two files of one register, applied at once, would take turns undoing each other.
create unique index imports_one_at_a_time on imports (organisation_id, resource) where finished_at is null;
create index imports_organisation_id_idx on imports (organisation_id, id);
create index imports_waiting_idx on imports (id) where finished_at is null;
create index imports_finished_at_idx on imports (finished_at);
create index imports_created_by_idx on imports (created_by);
create index imports_client_id_idx on imports (client_id);
create trigger imports_raise_version before update on imports for each row execute function raise_version();
comment on table imports is 'Files that organisations send, and how far each has been applied. Who sent one stands here; the trail has what it changed.';
comment on column imports.id is 'UUIDv7.';
comment on column imports.version is 'Raised by each change; the entity tag.';
comment on column imports.created_at is 'When it was sent.';
comment on column imports.updated_at is 'When it last came forward.';
comment on column imports.organisation_id is 'On whose behalf.';
comment on column imports.resource is 'What its rows are: citations or products.';
comment on column imports.format is 'How it is written: csv or ndjson.';
comment on column imports.source is 'Name of the data set, as the organisation calls it.';
comment on column imports.dry_run is 'Whether nothing of it is kept but what would have become of the rows.';
comment on column imports.end_absent is 'Whether citations of this data set that it does not have are ended.';
comment on column imports.status is 'queued, running, completed or failed.';
comment on column imports.created_by is 'The person who sent it; empty for a program, and once they are erased. Personal data.';
comment on column imports.client_id is 'The program that sent it.';
comment on column imports.provider_id is 'The identity provider by which the person came in.';
comment on column imports.oauth_client is 'The OAuth client that carried the request.';
comment on column imports.request_id is 'The request with which it came; the trail has its rows under the same.';
comment on column imports.line is 'The line of the file up to which it has been applied.';
comment on column imports.created is 'Rows that made something.';
comment on column imports.changed is 'Rows that changed something.';
comment on column imports.unchanged is 'Rows that said what was known.';
comment on column imports.refused is 'Rows that were refused.';
comment on column imports.ended is 'Citations that were ended because the file does not have them.';
comment on column imports.notes is 'What is worth knowing of the whole.';
comment on column imports.failure is 'Why it was given up.';
comment on column imports.lease is 'Whose it is at present: drawn by each worker that takes it.';
comment on column imports.leased_until is 'Until when; then another worker goes on where this one stopped.';
comment on column imports.attempts is 'How often it was taken without coming forward.';
comment on column imports.started_at is 'When it was first taken.';
comment on column imports.finished_at is 'When it was completed or given up.';

create table import_chunks (
  import_id uuid not null references imports on delete cascade,
  number integer not null,
  content bytea not null,
  constraint import_chunks_pkey primary key (import_id, number),
  constraint import_chunks_number_check check (number >= 0)
);
-- What is sent is hardly worth the time that packing it takes: it is gone a moment later.
alter table import_chunks alter column content set storage external;
comment on table import_chunks is 'The file of an import, in pieces, until it has been applied.';
comment on column import_chunks.import_id is 'The import.';
comment on column import_chunks.number is 'Counts from 0.';
comment on column import_chunks.content is 'The bytes.';

create table import_results (
  import_id uuid not null references imports on delete cascade,
  position bigint not null,
  line bigint,
  external_id text,
  outcome text not null,
  object_id uuid,
  notes text[] not null default '{}',
  errors jsonb not null default '[]',
  constraint import_results_pkey primary key (import_id, position),
  constraint import_results_outcome_check check (outcome in ('created', 'changed', 'unchanged', 'refused', 'ended')),
  constraint import_results_refused_says_why check ((outcome = 'refused') = (errors <> '[]'))
);
create index import_results_outcome_idx on import_results (import_id, outcome, position);
comment on table import_results is 'What became of each row of an import.';
comment on column import_results.import_id is 'The import.';
comment on column import_results.position is 'Counts from 1.';
comment on column import_results.line is 'The line of the file on which the row begins; empty for what the file does not have.';
comment on column import_results.external_id is 'Key of the row in its data set; empty when it could not be read.';
comment on column import_results.outcome is 'created, changed, unchanged, refused or ended.';
comment on column import_results.object_id is 'What it became, or would have become.';
comment on column import_results.notes is 'What is worth knowing of it.';
comment on column import_results.errors is 'What is wrong with it, as in a problem document.';

grant select, insert, update, delete on imports, import_chunks, import_results to loti_service;

alter table imports enable row level security;
create policy imports_of_viewer on imports using (may_see(organisation_id));
alter table import_chunks enable row level security;
create policy import_chunks_of_viewer on import_chunks using (exists (select from imports where id = import_id));
alter table import_results enable row level security;
create policy import_results_of_viewer on import_results using (exists (select from imports where id = import_id));
